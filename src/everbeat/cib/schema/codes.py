"""Every problem a check of a CIB can name: code, severity, and a sentence for the manual.

An error of form keeps a cluster from taking the document at all; an error of sense keeps resources
from running. A warning is what is taken, and surely not meant. Form, references and status are
checked in this package; sense is judged in `policy.verify`.
"""

from __future__ import annotations

from typing import Final

from everbeat.model.reports import Code, Severity

_E: Final = Severity.ERROR
_W: Final = Severity.WARNING
_I: Final = Severity.INFO

READING: Final = (
    Code("xml-malformed", _E, "The document is no XML, or XML of a kind that is not read."),
    Code("cib-too-large", _E, "The document is larger than any CIB."),
    Code("cib-missing", _E, "The document's root is not `cib`."),
    Code("schema-unknown", _E, "`validate-with` names no schema that is known."),
    Code("schema-none", _W, "`validate-with` is `none` or missing: the form is not checked."),
    Code("schema-old", _I, "The document is of an older schema; it is read as upgraded."),
    Code("upgrade-loses", _W, "The upgrade to the current schema drops something."),
    Code("chain-too-long", _E, "A chain of constraints is too long to be followed."),
    Code("time-malformed", _E, "A time to decide for is no date."),
    Code("event-unknown", _E, "An event names a node or resource that does not exist."),
)

FORM: Final = (
    Code("element-unknown", _E, "No such element may stand there."),
    Code("attribute-unknown", _E, "The element has no such attribute."),
    Code("attribute-missing", _E, "The element lacks an attribute it must have."),
    Code("attribute-value", _E, "The attribute does not take this value."),
    Code("number-too-large", _E, "More instances, or more digits, than any cluster has."),
    Code("id-twice", _E, "Two elements of the configuration have the same id."),
    Code("id-malformed", _E, "An id begins with a letter and has no blanks or colons."),
    Code("child-missing", _E, "A group, clone, bundle or constraint lacks what it is about."),
)

REFERENCES: Final = (
    Code("reference-unknown", _W, "What an id names does not exist; it is ignored."),
    Code("reference-not-followed", _W, "A set of attributes given by id-ref has no effect."),
)

STATUS: Final = (
    Code("status-unknown", _W, "The status holds what is passed over, and was meant otherwise."),
    Code("status-missing", _W, "A part of the status lacks what it is understood by."),
    Code("status-value", _W, "A value in the status cannot be read."),
)

SENSE: Final = (
    Code("fencing-no-device", _E, "Fencing is enabled without a device: nothing is started."),
    Code("fencing-disabled", _W, "Without fencing, data is not safe when a node is lost."),
    Code("quorum-ignored", _W, "Without quorum and fencing, both halves of a split run all."),
    Code("nodes-none", _I, "No node is configured: nothing can run."),
    Code("node-twice", _W, "Two nodes have the same name."),
    Code("node-unknown", _W, "A constraint or fencing level names a node that does not exist."),
    Code("option-unknown", _W, "No cluster option has this name; it is misspelt."),
    Code("option-value", _W, "A cluster option does not take this value: the default counts."),
    Code("meta-unknown", _W, "No meta attribute has this name; it is misspelt."),
    Code("meta-value", _W, "A meta attribute does not take this value: the default counts."),
    Code("score-malformed", _W, "Not a score: a whole number, INFINITY or -INFINITY."),
    Code("interval-malformed", _W, "Not a time: a number with a unit such as 10s or 1min."),
    Code("operation-twice", _W, "Two operations of the same name and interval: neither runs."),
    Code("rule-unreadable", _W, "A condition of a rule cannot be read and never holds."),
    Code("location-everywhere", _W, "Location constraints leave a resource no node at all."),
    Code("location-nothing", _W, "A location constraint of score 0 changes nothing."),
    Code("location-twice", _W, "Two location constraints say the same of the same node."),
    Code("constraint-of-itself", _W, "A resource is ordered after itself or placed with itself."),
    Code("constraint-inside-clone", _W, "A constraint names the inside of a clone, not the clone."),
    Code("constraint-of-stopped", _W, "What a constraint waits for is to stay stopped."),
    Code("colocation-loop", _W, "Resources are placed with each other in a circle."),
    Code("colocation-contradiction", _W, "Two resources must be together and must be apart."),
    Code("colocation-nothing", _W, "A colocation of score 0 changes nothing."),
    Code("order-loop", _W, "Resources are ordered after each other in a circle: none starts."),
    Code("role-not-promotable", _W, "A promoted role of a resource that cannot be promoted."),
    Code("topology-device-unknown", _W, "A fencing level names a device that does not exist."),
)

SECTIONS: Final = (
    ("CIB: reading", READING),
    ("CIB: form", FORM),
    ("CIB: references", REFERENCES),
    ("CIB: status", STATUS),
    ("CIB: sense", SENSE),
)
CODES: Final = {code.name: code for _, codes in SECTIONS for code in codes}
