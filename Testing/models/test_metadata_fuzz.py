"""Whatever stands in the metadata, it is read or refused with a sentence; nothing else comes out."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.metadata import parse_metadata
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.models.write import bundle_metadata

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["$1/0", "pancreas"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def places(value, path=()):
    """Every place in a nest of dicts and lists."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere(tiny, data):
    whole = bundle_metadata(tiny.package(tiny.stage("localiser"), tiny.stage()), {})
    metadata = copy.deepcopy(whole)
    path = data.draw(st.sampled_from([p for p in places(whole["pancreasseg"]) if p]))
    target = metadata["pancreasseg"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = data.draw(values)
    try:
        assert isinstance(parse_metadata(metadata, Path("folder")), ModelPackage)
    except ModelPackageError as refusal:
        assert refusal.message.startswith(str(Path("folder") / "configs/metadata.json"))
        assert len(refusal.message) < 600


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"pancreasseg": None}, {"pancreasseg": {}}])
def test_metadata_of_another_form(value):
    with pytest.raises(ModelPackageError):
        parse_metadata(value, Path("folder"))
