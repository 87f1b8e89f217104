"""Work begun early."""

from __future__ import annotations

import threading

import pytest

from PancreasSegLib.cli.background import Background, any_running


def test_result_is_waited_for():
    gate = threading.Event()
    work = Background(lambda: gate.wait(20))
    assert any_running()
    gate.set()
    assert work.result() is True
    assert work.result() is True
    assert not any_running()


def test_error_is_raised_where_the_result_is_asked_for():
    work = Background(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        work.result()
