# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that keep docs/architecture.md true, over whatever files there are."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.labops.backup.plugins.module_utils import _errors, _module

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
COLLECTION = "ansible_collections.labops.backup.plugins"
# The folder above ansible_collections through which the tests themselves import the collection.
COLLECTIONS = pathlib.Path(str(_errors.__file__)).parents[5]
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def told(violations: t.Iterable[str]) -> str:
    return "\n".join(["", *violations])


@functools.cache
def project_files() -> tuple[pathlib.Path, ...]:
    """Every file that is or could be committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    return tuple(path for path in (ROOT / os.fsdecode(name) for name in sorted(set(names)) if name) if path.is_file())


def relative(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def load_yaml(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def python_files() -> tuple[tuple[str, ast.Module], ...]:
    """Path below plugins/ and syntax tree of every python file there."""
    return tuple(
        (path.relative_to(PLUGINS).as_posix(), ast.parse(path.read_bytes(), str(path)))
        for path in sorted(PLUGINS.rglob("*.py"))
    )


# ---------------------------------------------------------------------------------------------------------- layers

# place: what it may import of ours (path prefixes below plugins/), and of ansible (module prefixes).
LAYERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "modules/": (("module_utils/",), ("ansible.module_utils",)),
    "filter/": (("module_utils/_model", "module_utils/_errors", "plugin_utils/"), ("ansible",)),
    "plugin_utils/": (("module_utils/_model", "module_utils/_errors", "plugin_utils/"), ("ansible",)),
    "action/": (("plugin_utils/_long_running",), ()),
    "doc_fragments/": ((), ()),
    "module_utils/_tools/": (
        ("module_utils/_tools/_command", "module_utils/_tools/_database", "module_utils/_errors"),
        (),
    ),
    "module_utils/_model/": (("module_utils/_model", "module_utils/_errors"), ()),
    "module_utils/_host/": (("module_utils/_host", "module_utils/_model", "module_utils/_errors"), ()),
    "module_utils/_errors.py": ((), ()),
    "module_utils/_module.py": (
        ("module_utils/_errors", "module_utils/_host/_operation"),
        ("ansible.module_utils",),
    ),
    "module_utils/_arguments.py": ((), ()),
    # Goes through seals and takes archives out again, as those two do.
    "module_utils/_check.py": (
        (
            *("module_utils/_tools", "module_utils/_host", "module_utils/_model", "module_utils/_errors"),
            *("module_utils/_extract", "module_utils/_recovery_points"),
        ),
        (),
    ),
    "module_utils/": (
        ("module_utils/_tools", "module_utils/_host", "module_utils/_model", "module_utils/_errors"),
        (),
    ),
}
# One file a library beside the standard one, too: only it knows how that is called.
LIBRARIES = {
    "module_utils/_tools/_apprise.py": "apprise",
    "module_utils/_tools/_page.py": "jinja2",
    "module_utils/_tools/_plot.py": "pygal",
    "module_utils/_tools/_prometheus.py": "prometheus_client",
}
IMPURE_MODULES = {
    *(
        "subprocess",
        "time",
        "random",
        "secrets",
        "uuid",
        "socket",
        "tempfile",
        "shutil",
        "threading",
        "signal",
        "fcntl",
    ),
    *("select", "selectors", "pathlib", "glob", "logging", "asyncio", "multiprocessing", "ctypes", "pwd", "grp"),
}
PURE_OS_NAMES = {"fsencode", "fsdecode", "path"}
CLOCKS = {"now", "utcnow", "today"}


def place_of(path: str) -> str:
    return max((place for place in LAYERS if path.startswith(place)), key=len, default="")


def imported(tree: ast.Module) -> t.Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported, ``from a import b`` as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{name.name}") for name in node.names)


def test_every_python_file_lies_in_a_place_that_the_architecture_knows() -> None:
    strangers = [path for path, _ in python_files() if not place_of(path)]
    assert not strangers, told(strangers)


def test_nothing_imports_what_its_layer_must_not_know() -> None:
    violations = []
    for path, tree in python_files():
        ours, ansible = LAYERS[place_of(path)]
        for line, name in imported(tree):
            top = name.split(".")[0]
            if name.startswith(COLLECTION):
                below = name.removeprefix(COLLECTION).lstrip(".").replace(".", "/")
                allowed = below.startswith(ours) or any(f"{below}/" == place for place in ours)
            elif top == "ansible":
                allowed = any(name == prefix or name.startswith(f"{prefix}.") for prefix in ansible)
            else:  # relative imports have an empty top
                allowed = top in sys.stdlib_module_names or top == LIBRARIES.get(path)
            if not allowed:
                violations.append(f"plugins/{path}:{line} imports {name}")
    assert not violations, told(violations)


def test_the_model_has_no_clock_no_chance_no_program_and_no_file() -> None:
    violations = []
    for path, tree in python_files():
        if not path.startswith("module_utils/_model/"):
            continue
        violations += [
            f"plugins/{path}:{line} imports {name}"
            for line, name in imported(tree)
            if name.split(".")[0] in IMPURE_MODULES
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in ("open", "print", "input", "exec", "eval"):
                violations.append(f"plugins/{path}:{node.lineno} uses {node.id}")
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "os" and node.attr not in PURE_OS_NAMES:
                    violations.append(f"plugins/{path}:{node.lineno} uses os.{node.attr}")
                if node.value.id in ("datetime", "date") and node.attr in CLOCKS:
                    violations.append(f"plugins/{path}:{node.lineno} asks the clock: {node.value.id}.{node.attr}")
    assert not violations, told(violations)


def test_modules_are_thin() -> None:
    """A module runs through run_module, and nothing but a module does."""
    violations = []
    for path, tree in python_files():
        violations += [
            f"plugins/{path}:{line} imports {name}"
            for line, name in imported(tree)
            if f"{name}.".startswith(f"{COLLECTION}.module_utils._module.") and not path.startswith("modules/")
        ]
        if path.startswith("modules/"):
            called = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            if "run_module" not in called:
                violations.append(f"plugins/{path} does not run through run_module")
            if "AnsibleModule" in called:
                violations.append(f"plugins/{path} makes its own AnsibleModule")
    assert not violations, told(violations)


# -------------------------------------------------------------------------------------------------------- programs

PROGRAMS = {
    "borg": "_borg.py",
    "rsync": "_rsync.py",
    "ssh": "_rsync.py",
    "mariadb": "_database.py",
    "mariadb-dump": "_database.py",
    "mysql": "_database.py",
    "mysqldump": "_database.py",
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def program_in(call: ast.Call) -> str | None:
    """The program that a call of ``_command.find`` or ``_command.run`` names literally."""
    if dotted(call.func) not in ("_command.find", "_command.run") or not call.args:
        return None
    first = call.args[0]
    if isinstance(first, (ast.List, ast.Tuple)) and first.elts:
        first = first.elts[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, (str, bytes)):
        return os.path.basename(os.fsdecode(first.value))
    return None


def test_one_file_a_program() -> None:
    violations = []
    users: dict[str, set[str]] = {}
    for path, tree in python_files():
        for node in ast.walk(tree):
            program = program_in(node) if isinstance(node, ast.Call) else None
            if program is not None:
                users.setdefault(program, set()).add(path)
    for program, paths in sorted(users.items()):
        if len(paths) > 1:
            violations.append(f"{program} is run by {', '.join(sorted(paths))}")
        owner = PROGRAMS.get(program)
        violations += [
            f"plugins/{path} runs {program}, which belongs to _tools/{owner}"
            for path in sorted(paths)
            if owner is not None and path != f"module_utils/_tools/{owner}"
        ]
    assert not violations, told(violations)


def test_only_tools_run_programs_and_only_through_the_one_runner() -> None:
    violations = []
    for path, tree in python_files():
        for line, name in imported(tree):
            if (
                name.split(".")[0] in ("subprocess", "pty", "multiprocessing")
                and path != "module_utils/_tools/_command.py"
            ):
                violations.append(f"plugins/{path}:{line} imports {name}")
            if "_tools._command" in name and not path.startswith("module_utils/_tools/"):
                violations.append(f"plugins/{path}:{line} imports {name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = dotted(node.func)
                forks = name == "os.fork" and path != "module_utils/_host/_operation.py"
                if (
                    re.match(r"os\.(system|popen|exec|spawn|posix_spawn)", name)
                    or forks
                    or name.endswith(".run_command")
                ):
                    violations.append(f"plugins/{path}:{node.lineno} calls {name}")
                violations += [
                    f"plugins/{path}:{node.lineno} uses {keyword.arg}"
                    for keyword in node.keywords
                    if keyword.arg in ("shell", "use_unsafe_shell")
                    and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
                ]
    assert not violations, told(violations)


# --------------------------------------------------------------------------------------------------- documentation


@functools.cache
def documentation() -> dict[str, dict[str, t.Any]]:
    """What ansible-doc says, by plugin type and short name, fragments merged."""
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "--metadata-dump", "--no-fail-on-errors", "labops.backup"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_DEPRECATION_WARNINGS": "false"},
    )
    return {
        kind: {name.removeprefix("labops.backup."): entry for name, entry in entries.items()}
        for kind, entries in json.loads(done.stdout)["all"].items()
        if isinstance(entries, dict)
    }


def module_doc(module: str) -> dict[str, t.Any]:
    entry = documentation()["module"].get(module, {"error": "ansible-doc does not list it"})
    assert "doc" in entry, f"plugins/modules/{module}.py: {entry.get('error', entry)}"
    return t.cast("dict[str, t.Any]", entry)


def raw_doc(module: str) -> dict[str, t.Any]:
    """DOCUMENTATION as it stands in the file, fragments not merged."""
    tree = ast.parse((PLUGINS / "modules" / f"{module}.py").read_bytes())
    for node in tree.body:
        if isinstance(node, ast.Assign) and dotted(node.targets[0]) == "DOCUMENTATION":
            return t.cast("dict[str, t.Any]", yaml.safe_load(ast.literal_eval(node.value)))
    raise AssertionError(f"plugins/modules/{module}.py has no DOCUMENTATION")


class CapturedError(Exception):
    """Takes the place of running a module."""

    def __init__(self, **keywords: t.Any) -> None:
        self.keywords = keywords
        super().__init__()


@pytest.fixture
def module_keywords(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[[str], dict[str, t.Any]]]:
    """What a module gives to AnsibleModule."""

    def capture(**keywords: t.Any) -> t.NoReturn:
        raise CapturedError(**keywords)

    monkeypatch.setattr(basic, "AnsibleModule", capture)
    monkeypatch.setattr(_module, "AnsibleModule", capture)

    def keywords_of(name: str) -> dict[str, t.Any]:
        module = importlib.import_module(f"{COLLECTION}.modules.{name}")
        with pytest.raises(CapturedError) as caught:
            module.main()
        return caught.value.keywords

    before = os.umask(0o022)
    yield keywords_of
    os.umask(before)


def same_options(where: str, documented: dict[str, t.Any], spec: dict[str, t.Any]) -> t.Iterator[str]:
    for name in sorted(set(documented) - set(spec)):
        yield f"{where}: {name} is documented but not in the argument spec"
    for name in sorted(set(spec) - set(documented)):
        yield f"{where}: {name} is in the argument spec but not documented"
    for name in sorted(set(spec) & set(documented)):
        doc, entry = documented[name], spec[name]
        for field, otherwise in (
            ("type", "str"),
            ("required", False),
            ("elements", None),
            ("default", None),
            ("choices", None),
            ("aliases", None),
        ):
            said, meant = doc.get(field, otherwise), entry.get(field, otherwise)
            if field in ("choices", "aliases"):
                said, meant = list(said or ()), list(meant or ())
            if said != meant or type(said) is not type(meant):
                yield f"{where}: {name}: {field} is documented as {said!r}, the argument spec says {meant!r}"
        if "suboptions" in doc or "options" in entry:
            yield from same_options(f"{where}: {name}", doc.get("suboptions", {}), entry.get("options", {}))


SECRET_OPTION = re.compile(r"(password|passphrase|secret|token|credentials)\Z|\A(api_|private_)?key\Z")


def secrets_are_masked(where: str, spec: dict[str, t.Any]) -> t.Iterator[str]:
    for name, entry in spec.items():
        masked = entry.get("no_log")
        if bool(SECRET_OPTION.search(name)) != bool(masked):
            yield f"{where}: {name} has no_log={masked!r}"
        elif masked is None and basic.PASSWORD_MATCH.search(name):
            yield f"{where}: {name} looks like a secret to ansible-core; say no_log=False"
        yield from secrets_are_masked(f"{where}: {name}", entry.get("options", {}))


def test_options_are_documented_as_they_are(module_keywords: t.Callable[[str], dict[str, t.Any]]) -> None:
    violations = []
    for module in MODULES:
        options = module_doc(module)["doc"].get("options") or {}
        violations += same_options(module, options, module_keywords(module)["argument_spec"])
    assert not violations, told(violations)


def test_secrets_and_nothing_else_are_masked(module_keywords: t.Callable[[str], dict[str, t.Any]]) -> None:
    violations = [
        violation
        for module in MODULES
        for violation in secrets_are_masked(module, module_keywords(module)["argument_spec"])
    ]
    assert not violations, told(violations)


def test_modules_say_whether_they_support_check_mode_diff_and_repetition(
    module_keywords: t.Callable[[str], dict[str, t.Any]],
) -> None:
    violations = []
    for module in MODULES:
        attributes = module_doc(module)["doc"].get("attributes") or {}
        for name in ("check_mode", "diff_mode", "idempotent"):
            support = (attributes.get(name) or {}).get("support")
            if support not in ("full", "partial", "none", "N/A"):
                violations.append(f"{module}: the attribute {name} has support {support!r}")
            elif support == "partial" and not attributes[name].get("details"):
                violations.append(f"{module}: the attribute {name} is partial without details")
        supported = (attributes.get("check_mode") or {}).get("support") in ("full", "partial")
        if supported != bool(module_keywords(module).get("supports_check_mode")):
            violations.append(f"{module}: check_mode is documented otherwise than supports_check_mode says")
    assert not violations, told(violations)


def tasks_in(entries: t.Iterable[t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """All tasks in plays, blocks and lists of tasks."""
    for entry in entries:
        assert isinstance(entry, dict), f"{entry!r} is neither a task nor a play"
        inner = [key for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks") if key in entry]
        for key in inner:
            yield from tasks_in(entry[key])
        if not inner and "hosts" not in entry:
            yield entry


def test_examples_are_tasks_with_documented_options() -> None:
    violations = []
    for module in MODULES:
        full_name = f"labops.backup.{module}"
        options = module_doc(module)["doc"].get("options") or {}
        names = {alias for name, option in options.items() for alias in (name, *option.get("aliases", ()))}
        try:
            tasks = list(tasks_in(yaml.safe_load(module_doc(module).get("examples") or "") or ()))
        except (yaml.YAMLError, AssertionError, TypeError) as error:
            violations.append(f"{module}: EXAMPLES: {error}")
            continue
        if not any(full_name in task for task in tasks):
            violations.append(f"{module}: no task in EXAMPLES uses {full_name}")
        for task in tasks:
            given = task.get(full_name) or {}
            violations += [f"{module}: EXAMPLES use the short name {name}" for name in MODULES if name in task]
            violations += [f"{module}: EXAMPLES use the unknown option {name}" for name in sorted(set(given) - names)]
            violations += [
                f"{module}: EXAMPLES lack the required option {name}"
                for name, option in options.items()
                if full_name in task
                and option.get("required")
                and not {name, *option.get("aliases", ())} & set(given)
                and not any(key in task for key in ("module_defaults", "args"))
            ]
    assert not violations, told(violations)


def test_results_are_documented() -> None:
    violations = []
    for module in MODULES:
        returned = module_doc(module).get("return")
        if not isinstance(returned, dict) or not returned:
            violations.append(f"{module}: RETURN is empty")
            continue
        for name, entry in returned.items():
            lacking = [field for field in ("description", "returned", "type") if not entry.get(field)]
            if lacking:
                violations.append(f"{module}: RETURN: {name} lacks {', '.join(lacking)}")
    assert not violations, told(violations)


def test_every_module_is_documented_completely() -> None:
    violations = []
    for module in MODULES:
        doc = module_doc(module)["doc"]
        for field in ("short_description", "description", "author", "version_added"):
            if not doc.get(field):
                violations.append(f"{module}: DOCUMENTATION lacks {field}")
        if raw_doc(module).get("module") != module:
            violations.append(f"{module}: DOCUMENTATION names the module {raw_doc(module).get('module')!r}")
    assert not violations, told(violations)


# --------------------------------------------------------------------------------------------------- action groups

GROUP_FRAGMENTS = {"borg": "labops.backup._borg", "db": "labops.backup._database"}


def test_action_groups_hold_the_modules_that_share_a_fragment() -> None:
    groups = load_yaml(ROOT / "meta" / "runtime.yml")["action_groups"]
    violations = [
        f"meta/runtime.yml has the unknown group {name}" for name in sorted(set(groups) - set(GROUP_FRAGMENTS))
    ]
    for group, fragment in GROUP_FRAGMENTS.items():
        members = groups.get(group, [])
        extending = set()
        for module in MODULES:
            fragments = raw_doc(module).get("extends_documentation_fragment") or []
            names = [fragments] if isinstance(fragments, str) else fragments
            if any(name == fragment or name.startswith(f"{fragment}.") for name in names):
                extending.add(module)
        violations += [f"{name} extends {fragment} but is not in {group}" for name in sorted(extending - set(members))]
        violations += [
            f"{name} is in {group} but does not extend {fragment}" for name in sorted(set(members) - extending)
        ]
        if sorted(set(members)) != members:
            violations.append(f"the group {group} is not in alphabetical order, or names a module twice")
    assert not violations, told(violations)


# ----------------------------------------------------------------------------------------------------------- roles


def test_every_role_has_argument_specs() -> None:
    violations = []
    for role in ROLES:
        path = role / "meta" / "argument_specs.yml"
        if not path.is_file():
            violations.append(f"{relative(role)} has no meta/argument_specs.yml")
            continue
        entries = load_yaml(path)["argument_specs"]
        tasks = {found.stem for found in (role / "tasks").glob("*.yml")}
        violations += [f"{relative(path)}: there is no tasks/{name}.yml" for name in sorted(set(entries) - tasks)]
        if "main" in tasks and "main" not in entries:
            violations.append(f"{relative(path)} lacks the entry main")
        for name, entry in entries.items():
            violations += [
                f"{relative(path)}: {name} lacks {field}"
                for field in ("short_description", "options")
                if entry.get(field) is None
            ]
    assert not violations, told(violations)


def test_the_defaults_of_roles_are_those_of_their_specs() -> None:
    violations = []
    for role in ROLES:
        defaults_file, specs_file = role / "defaults" / "main.yml", role / "meta" / "argument_specs.yml"
        defaults = (load_yaml(defaults_file) if defaults_file.is_file() else None) or {}
        specs = load_yaml(specs_file)["argument_specs"] if specs_file.is_file() else {}
        documented = {
            name: option["default"]
            for entry in specs.values()
            for name, option in (entry.get("options") or {}).items()
            if "default" in option
        }
        where = relative(role)
        violations += [
            f"{where}: {name} is in defaults but its spec has no default"
            for name in sorted(set(defaults) - set(documented))
        ]
        violations += [
            f"{where}: {name} has a default in its spec but is not in defaults"
            for name in sorted(set(documented) - set(defaults))
        ]
        violations += [
            f"{where}: {name} is {defaults[name]!r} in defaults and {documented[name]!r} in its spec"
            for name in sorted(set(defaults) & set(documented))
            if defaults[name] != documented[name]
        ]
    assert not violations, told(violations)


# ----------------------------------------------------------------------------------------------------------- tests


def test_every_module_is_tested_in_check_mode() -> None:
    violations = []
    for module in MODULES:
        path = ROOT / "tests" / "unit" / "modules" / f"test_{module}.py"
        if not path.is_file():
            violations.append(f"{relative(path)} does not exist")
            continue
        names = [node.name for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef)]
        if not any(name.startswith("test_") and "check_mode" in name for name in names):
            violations.append(f"{relative(path)} has no test whose name contains check_mode")
    assert not violations, told(violations)


def test_no_test_is_skipped() -> None:
    violations = []
    for path in project_files():
        if path.suffix == ".py" and relative(path).startswith(("tests/", "molecule/")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Attribute) and dotted(node) in (
                    "pytest.skip",
                    "pytest.xfail",
                    "pytest.importorskip",
                    "pytest.mark.skip",
                    "pytest.mark.skipif",
                    "pytest.mark.xfail",
                ):
                    violations.append(f"{relative(path)}:{node.lineno} uses {dotted(node)}")
    assert not violations, told(violations)


# ------------------------------------------------------------------------------------------------------- addresses

PRODUCTION_NETWORK = b"172.26." + b"65."
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:.])")


def test_production_addresses_stand_in_the_production_inventory_only() -> None:
    allowed = ("inventory/production/", "docs/", "README.md")
    violations = [
        relative(path)
        for path in project_files()
        if not relative(path).startswith(allowed) and PRODUCTION_NETWORK in path.read_bytes()
    ]
    assert not violations, told(violations)


def test_roles_playbooks_and_plugins_hold_no_address() -> None:
    violations = []
    for path in project_files():
        if not relative(path).startswith(("roles/", "playbooks/", "plugins/", "site.yml")) or path.suffix == ".txt":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for word in (*IPV4.findall(line), *IPV6.findall(line)):
                try:
                    address = ipaddress.ip_address(word)
                except ValueError:
                    continue
                if not (address.is_loopback or address.is_unspecified):
                    violations.append(f"{relative(path)}:{number} holds {word}")
    assert not violations, told(violations)


# --------------------------------------------------------------------------------------------------------- headers

HEADER = ("Copyright: (c) 2026, the labops.backup contributors", "SPDX-License-Identifier: GPL-3.0-or-later")
GENERATED = {"changelogs/changelog.yaml"}


def needs_header(path: pathlib.Path) -> bool:
    """Code and configuration say it; prose, pictures, lists and rendered templates need not."""
    name = relative(path)
    code = path.suffix in (".py", ".yml", ".yaml", ".sh", ".toml", ".cfg") or path.name in ("Makefile", "run")
    return code and name not in GENERATED


def test_every_file_says_whose_it_is() -> None:
    violations = []
    for path in project_files():
        if needs_header(path):
            head = path.read_bytes()[:600].decode("utf-8", "replace").splitlines()[:8]
            if not all(any(wanted in line for line in head) for wanted in HEADER):
                violations.append(relative(path))
    assert not violations, told(violations)


def test_private_python_says_so() -> None:
    violations = [
        relative(path)
        for path in sorted([*(PLUGINS / "module_utils").rglob("*.py"), *(PLUGINS / "plugin_utils").rglob("*.py")])
        if "# PRIVATE to labops.backup: no stable interface." not in path.read_text(encoding="utf-8").splitlines()[:5]
        and path.name != "__init__.py"
    ]
    assert not violations, told(violations)


# --------------------------------------------------------------------------------------------------------- filters


def exported_filters() -> dict[str, t.Callable[..., t.Any]]:
    found: dict[str, t.Callable[..., t.Any]] = {}
    for path in sorted((PLUGINS / "filter").glob("*.py")):
        module = importlib.import_module(f"{COLLECTION}.filter.{path.stem}")
        for name, function in module.FilterModule().filters().items():
            assert name not in found, f"two plugins export the filter {name}"
            found[name] = function
    return found


def test_every_filter_has_a_page_and_every_page_a_filter() -> None:
    pages = {path.stem for path in (PLUGINS / "filter").glob("*.yml")}
    filters = set(exported_filters())
    violations = [f"plugins/filter/{name}.yml does not exist" for name in sorted(filters - pages)]
    violations += [f"plugins/filter/{name}.yml documents no filter" for name in sorted(pages - filters)]
    assert not violations, told(violations)


def test_filters_take_what_their_pages_say() -> None:
    violations = []
    for name, function in exported_filters().items():
        entry = documentation()["filter"].get(name, {})
        if "doc" not in entry:
            violations.append(f"{name}: {entry.get('error', 'ansible-doc does not list it')}")
            continue
        doc = entry["doc"]
        options = {key: option for key, option in doc["options"].items() if key != "_input"}
        parameters = list(inspect.signature(function).parameters.values())[1:]
        taken = [parameter.name for parameter in parameters]
        positional = doc.get("positional") or []
        positional = [word.strip() for word in positional.split(",")] if isinstance(positional, str) else positional
        if doc.get("name") != name:
            violations.append(f"{name}: its page names {doc.get('name')!r}")
        if "_input" not in doc["options"]:
            violations.append(f"{name}: its page lacks _input")
        if sorted(options) != sorted(taken):
            violations.append(f"{name}: its page has {sorted(options)}, the function takes {sorted(taken)}")
        if positional != taken[: len(positional)]:
            violations.append(f"{name}: its page has the order {positional}, the function {taken}")
        for parameter in parameters:
            option = options.get(parameter.name, {})
            optional = parameter.default is not inspect.Parameter.empty
            if bool(option.get("required")) == optional:
                violations.append(f"{name}: whether {parameter.name} is required differs between page and function")
            if optional and option.get("default") != parameter.default:
                violations.append(f"{name}: the default of {parameter.name} differs between page and function")
    assert not violations, told(violations)


# --------------------------------------------------------------------------------------------------------- version


def test_the_version_is_the_same_wherever_it_stands() -> None:
    version = load_yaml(ROOT / "galaxy.yml")["version"]
    numbers = tuple(int(part) for part in version.split("."))
    violations = []
    changelog = ROOT / "changelogs" / "changelog.yaml"
    if changelog.is_file():
        releases = load_yaml(changelog).get("releases") or {}
        newest = max(releases, key=lambda name: tuple(int(part) for part in name.split(".")), default=version)
        if newest != version:
            violations.append(f"changelogs/changelog.yaml: the newest release is {newest}")
    for name in ("CHANGELOG.md", "CHANGELOG.rst"):
        path = ROOT / name
        if path.is_file() and f"v{version}" not in path.read_text(encoding="utf-8"):
            violations.append(f"{name} does not name v{version}")
    for path in project_files():
        if relative(path).startswith(("plugins/", "roles/")) and path.suffix in (".py", ".yml"):
            for added in re.findall(
                r"^\s*version_added: [\"']?([\d.]+)", path.read_text(encoding="utf-8"), re.MULTILINE
            ):
                if tuple(int(part) for part in added.split(".")) > numbers:
                    violations.append(f"{relative(path)}: version_added {added}")
        if path.suffix == ".md":
            for said in re.findall(r"labops[-.]backup(?:-|[:=]=)(\d+\.\d+\.\d+)", path.read_text(encoding="utf-8")):
                if said != version:
                    violations.append(f"{relative(path)} speaks of {said}")
    assert not violations, f"galaxy.yml says {version}" + told(violations)


def test_what_site_reads_for_one_role_bears_the_tag_of_that_role() -> None:
    """With another tag, on a new host, the run would end at what is not there yet."""
    violations = []
    for play in load_yaml(ROOT / "playbooks/site.yml"):
        for task in play.get("pre_tasks", ()):
            needed = [role["tags"] for role in play["roles"] if task["register"] in json.dumps(role)]
            if needed != [task["tags"]]:
                violations.append(f"{task['name']}: {task['tags']}, needed with {needed}")
    assert not violations, told(violations)


def test_each_step_of_a_scenario_has_its_playbook() -> None:
    """Molecule passes over a step without one of its own, even if the step names another, and the scenario is green."""
    violations = []
    for path in sorted((ROOT / "molecule").glob("*/molecule.yml")):
        document = yaml.safe_load(path.read_text().replace("${MOLECULE_PROJECT_DIRECTORY}", str(ROOT)))
        named = document.get("ansible", {}).get("playbooks", {})
        tests = document.get("verifier", {}).get("directory", "tests")
        default = {"verify": tests, "idempotence": "converge.yml"}
        for step in document["scenario"].get("test_sequence", []):
            verb, *given = step.split()
            wanted = [named.get(verb, default.get(verb, f"{verb}.yml")), *given]
            violations += [f"{relative(path)}: {one}" for one in wanted if not (path.parent / one).exists()]
    assert not violations, told(violations)
