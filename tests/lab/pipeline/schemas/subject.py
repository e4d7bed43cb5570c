# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works here, and with which animals."""

import datajoint as dj

from ..settings import PREFIX

schema = dj.Schema(PREFIX + "subject")


@schema
class Species(dj.Lookup):
    definition = """
    species      : varchar(32)
    ---
    common_name  : varchar(64)
    """
    contents = (("mus musculus", "house mouse"), ("rattus norvegicus", "Wanderratte"), ("danio rerio", "斑馬魚 🐟"))


@schema
class Person(dj.Manual):
    definition = """
    person        : varchar(32)
    ---
    full_name     : varchar(255)
    email = null  : varchar(255)
    joined        : date
    """


@schema
class Subject(dj.Manual):
    definition = """  # animals; entered by hand, can't be computed – größer
    subject            : varchar(16)
    ---
    subject_uuid       : uuid
    -> Species
    -> Person
    sex                : enum('M', 'F', 'unknown')
    birth_date = null  : date
    weight             : decimal(6,2)    # g
    balance = null     : decimal(12,3)   # of water in ml, may be negative
    notes              : varchar(2000)
    extra = null       : longblob
    """

    class Allele(dj.Part):
        definition = """
        -> master
        allele    : varchar(64)
        ---
        zygosity  : enum('+/+', '+/-', '-/-')
        """


@schema
class Death(dj.Manual):
    definition = """
    -> Subject
    ---
    death_date  : date
    cause = ""  : varchar(255)
    """
