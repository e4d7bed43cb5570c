# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import shutil
import types
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.labops.backup.plugins.module_utils._arguments import OPERATION
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._module import run_module

RunModule = t.Callable[..., dict[str, t.Any]]
Work = t.Callable[[AnsibleModule], dict[str, t.Any]]


@pytest.fixture(autouse=True)
def umask() -> t.Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def module(work: Work, **keywords: t.Any) -> types.ModuleType:
    made = types.ModuleType("made")
    spec = {"path": {"type": "path", "required": True}, **OPERATION}
    made.main = lambda: run_module(spec, work, **keywords)  # type: ignore[attr-defined]
    return made


def raising(error: Exception) -> types.ModuleType:
    def work(_module: AnsibleModule) -> dict[str, t.Any]:
        raise error

    return module(work)


def test_a_result_is_returned_and_nothing_changed_unless_it_says_so(run_module_main: RunModule) -> None:
    result = run_module_main(module(lambda given: {"seen": given.params["path"]}), {"path": "/x"})
    assert (result["seen"], result["changed"]) == ("/x", False)
    assert run_module_main(module(lambda _: {"changed": True}), {"path": "/x"})["changed"] is True


def test_files_are_made_for_root_alone(run_module_main: RunModule) -> None:
    def work(_module: AnsibleModule) -> dict[str, t.Any]:
        mask = os.umask(0)
        return {"mask": mask}

    assert run_module_main(module(work), {"path": "/x"})["mask"] == 0o077


def test_check_mode_reaches_the_work(run_module_main: RunModule) -> None:
    made = module(lambda given: {"check": given.check_mode})
    assert run_module_main(made, {"path": "/x"}, check_mode=True)["check"] is True


def test_a_module_without_check_mode_is_skipped_there(run_module_main: RunModule) -> None:
    made = module(lambda _: {"ran": True}, supports_check_mode=False)
    result = run_module_main(made, {"path": "/x"}, check_mode=True)
    assert result["skipped"] and "ran" not in result


def test_a_missing_option_is_refused_before_the_work(run_module_main: RunModule) -> None:
    result = run_module_main(raising(AssertionError("it ran")), {})
    assert result["failed"] and "path" in result["msg"]


def test_a_failure_reaches_the_operator_with_its_facts(run_module_main: RunModule) -> None:
    error = BackupError("caf\udce9 is gone", untouched="The mirror was not changed", remedy="Look", deleted=3)
    result = run_module_main(raising(error), {"path": "/x"})
    assert result["failed"] is True
    assert result["msg"] == "caf\udce9 is gone. The mirror was not changed. Look."
    assert result["deleted"] == 3


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x/y"), "refused '/x/y': No such file or directory."),
        (PermissionError(13, "Permission denied"), "the system refused: Permission denied."),
        (shutil.Error("/x and /y are the same file"), "the system refused: /x and /y are the same file."),
    ],
)
def test_what_the_system_refuses_is_said_in_words(run_module_main: RunModule, error: OSError, message: str) -> None:
    result = run_module_main(raising(error), {"path": "/x"})
    assert result["failed"] is True
    assert message in result["msg"] and "Traceback" not in result["msg"]
    assert result["errno"] == error.errno


def test_a_bug_is_not_dressed_up_as_a_failure(run_module_main: RunModule) -> None:
    with pytest.raises(ZeroDivisionError):
        run_module_main(raising(ZeroDivisionError()), {"path": "/x"})


@pytest.mark.parametrize(("once", "times"), [(False, 2), (True, 1)])
def test_an_operation_that_ended_well_is_repeated_unless_its_result_stays(
    run_module_main: RunModule, tmp_path: pathlib.Path, once: bool, times: int
) -> None:
    """What an extract has written may have been removed since; what was loaded is in the database."""

    def work(_module: AnsibleModule) -> dict[str, t.Any]:
        with open(tmp_path / "done", "a") as stream:
            stream.write("x")
        return {"changed": True}

    options = {"path": "/x", "operation": str(tmp_path / "operations" / "one")}
    for _call in range(2):
        result = run_module_main(module(work, once=once), options)
        assert result["changed"]
    assert (tmp_path / "done").read_text() == "x" * times


def test_an_operation_fails_with_its_own_message(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    options = {"path": "/x", "operation": str(tmp_path / "one")}
    failed = run_module_main(raising(BackupError("the disk is full", remedy="Make room", free=3)), options)
    assert (failed["failed"], failed["free"]) == (True, 3)
    assert failed["msg"] == "the disk is full. Make room."


def test_check_mode_begins_no_operation(run_module_main: RunModule, tmp_path: pathlib.Path) -> None:
    options = {"path": "/x", "operation": str(tmp_path / "operations" / "one")}
    assert run_module_main(module(lambda given: {"check": given.check_mode}), options, check_mode=True)["check"]
    assert not (tmp_path / "operations").exists()


def test_what_the_system_refuses_of_an_operation_is_no_traceback(
    run_module_main: RunModule, tmp_path: pathlib.Path
) -> None:
    operation = tmp_path / "operations" / "x.step"
    operation.mkdir(parents=True)
    options = {"path": "/x", "operation": str(operation)}
    refused = run_module_main(module(lambda _: {"seen": 1}), options)
    assert refused["failed"] and "exception" not in refused
    assert refused["msg"].endswith(f"the system refused {str(operation)!r}: Is a directory. Mend that and run again.")
    operation.rmdir()
    assert run_module_main(module(lambda _: {"seen": 1}), options)["seen"] == 1
