"""Random clusters for laws of the policy engine: small, well-formed, with no failures."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

NODES = ("n1", "n2", "n3")
SCORES = ("-INFINITY", "-50", "10", "100", "INFINITY")


@dataclass(frozen=True)
class Kind:
    """One resource at the top of a generated cluster."""

    name: str
    kind: str  # primitive, group, clone, promotable
    meta: tuple[tuple[str, str], ...]


def _meta(owner: str, pairs: tuple[tuple[str, str], ...]) -> str:
    body = "".join(
        f'<nvpair id="{owner}-m-{name}" name="{name}" value="{value}"/>' for name, value in pairs
    )
    return f'<meta_attributes id="{owner}-m">{body}</meta_attributes>' if pairs else ""


def _primitive(name: str, meta: str = "") -> str:
    monitor = f'<operations><op id="{name}-mon" name="monitor" interval="10s"/></operations>'
    return (
        f'<primitive id="{name}" class="ocf" provider="p" type="Dummy">{meta}{monitor}</primitive>'
    )


def _resource(kind: Kind) -> str:
    name, meta = kind.name, _meta(kind.name, kind.meta)
    match kind.kind:
        case "group":
            members = "".join(_primitive(f"{name}m{number}") for number in (1, 2, 3))
            return f'<group id="{name}">{meta}{members}</group>'
        case "clone" | "promotable":
            extra = (("promotable", "true"),) if kind.kind == "promotable" else ()
            meta = _meta(name, (*kind.meta, *extra))
            return f'<clone id="{name}">{meta}{_primitive(name + "i")}</clone>'
        case _:
            return _primitive(name, meta)


@st.composite
def cibs(
    draw: st.DrawFn, stickiness: tuple[str, ...] = ("0", "1", "200"), colocations_max: int = 3
) -> str:
    """Draw a cluster of three nodes and up to five resources with constraints among them."""
    kinds = draw(
        st.lists(st.sampled_from(("primitive", "group", "clone", "promotable")), max_size=5)
    )
    resources = [Kind(f"r{i}", kind, draw(_metas())) for i, kind in enumerate(kinds)]
    names = [resource.name for resource in resources]
    online = draw(st.sampled_from((NODES, NODES[:2], NODES[:1])))
    text = "".join(_resource(resource) for resource in resources)
    constraints = draw(_constraints(names, colocations_max)) if names else ""
    nodes = "".join(f'<node id="{i}" uname="{name}"/>' for i, name in enumerate(NODES, 1))
    states = "".join(_state(i, name, name in online) for i, name in enumerate(NODES, 1))
    stays = draw(st.sampled_from(stickiness))
    return (
        '<cib validate-with="pacemaker-4.0" have-quorum="true" dc-uuid="1" '
        'crm_feature_set="3.20.0" admin_epoch="0" epoch="1" num_updates="0">'
        '<configuration><crm_config><cluster_property_set id="o">'
        '<nvpair id="o-f" name="fencing-enabled" value="false"/></cluster_property_set>'
        "</crm_config>"
        f"<nodes>{nodes}</nodes><resources>{text}</resources>"
        f"<constraints>{constraints}</constraints>"
        f'<rsc_defaults><meta_attributes id="d"><nvpair id="d-s" name="resource-stickiness" '
        f'value="{stays}"/></meta_attributes></rsc_defaults></configuration>'
        f"<status>{states}</status></cib>"
    )


def _metas() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    choices = ((), (), (("target-role", "Stopped"),), (("priority", "5"),), (("notify", "true"),))
    return st.sampled_from(choices)


def _state(number: int, name: str, is_online: bool) -> str:  # noqa: FBT001 - one flag, one caller
    words = (
        ("true", "online", "member", "member")
        if is_online
        else ("false", "offline", "down", "down")
    )
    ccm, crmd, join, expected = words
    return (
        f'<node_state id="{number}" uname="{name}" in_ccm="{ccm}" crmd="{crmd}" join="{join}" '
        f'expected="{expected}"/>'
    )


@st.composite
def _constraints(draw: st.DrawFn, names: list[str], colocations_max: int) -> str:
    name = st.sampled_from(names)
    parts = []
    for number in range(draw(st.integers(0, 3))):
        node, score = draw(st.sampled_from(NODES)), draw(st.sampled_from(SCORES))
        parts.append(
            f'<rsc_location id="l{number}" rsc="{draw(name)}" node="{node}" score="{score}"/>'
        )
    for number in range(draw(st.integers(0, colocations_max))):
        first, then = draw(name), draw(name)
        if first != then:
            score = draw(st.sampled_from(SCORES))
            parts.append(
                f'<rsc_colocation id="c{number}" rsc="{then}" with-rsc="{first}" score="{score}"/>'
            )
    for number in range(draw(st.integers(0, 3))):
        first, then = draw(name), draw(name)
        kind = draw(st.sampled_from(("Mandatory", "Optional", "Serialize")))
        if first != then:
            parts.append(f'<rsc_order id="o{number}" first="{first}" then="{then}" kind="{kind}"/>')
    return "".join(parts)
