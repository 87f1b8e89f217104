"""What the tests of learning share: a worker that learns or fails, and what it is given."""

from __future__ import annotations

from fake_worker import learnt

from PancreasSegLib.volume import Box


def asked(client, method="learn"):
    return [request for request in client.requests if request.method == method]


def teach(logic, client):
    """The worker answers what it was asked to learn last."""
    client.teach(asked(client)[-1])
    logic.poll()


def fail(logic, client, error):
    client.fail(error)
    logic.poll()


def given(session, client):
    """The probability that goes to the worker with the segment as it is now."""
    session._channel.renew()
    session.prepare()
    return client.last.options["state"].probability


def as_learnt(request, geometry):
    """The mask that the worker answered, on the whole grid."""
    state = request.options["state"]
    mask = state.within(Box.whole(geometry))[0] > 0
    change = learnt(request.scan, state)
    mask[change.box.slices_zyx] = change.mask > 0
    return mask
