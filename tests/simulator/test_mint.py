"""Tokens as the service makes them."""

from __future__ import annotations

from grok_rt.simulator.mint import PREFIX, Mint


def test_a_token_is_known_until_it_expires() -> None:
    """It is good before its second, not from then on, and no other is good at all."""
    now = [1000.5]
    mint = Mint(lambda: now[0])
    value, expires_at = mint.make(60)
    assert value.startswith(PREFIX)
    assert expires_at == 1060
    assert mint.honours(value)
    assert not mint.honours(value + "x")
    assert not Mint(lambda: now[0]).honours(value)
    now[0] = 1060
    assert not mint.honours(value)


def test_no_two_are_alike() -> None:
    """Each wish gets a token of its own, made of what a subprotocol may carry."""
    mint = Mint()
    values = {mint.make(60)[0] for _ in range(100)}
    assert len(values) == 100
    assert all(value.replace("-", "").replace("_", "").isalnum() for value in values)
