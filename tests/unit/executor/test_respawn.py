from __future__ import annotations

from itertools import count

from everbeat.executor.effects import Ending, Launch, Reboot, Signal
from everbeat.executor.respawn import QUICK_MS, STOP_MS, Respawn, RespawnEffect
from everbeat.model.cluster import RespawnClient
from everbeat.model.operations import ClientEnded, ClientsStopped

IPFAIL = RespawnClient("hacluster", ("/usr/libexec/ipfail",))
DOPD = RespawnClient("hacluster", ("/usr/libexec/dopd", "-v"))


def respawn(*clients: RespawnClient) -> Respawn:
    return Respawn(clients, (("HA_CURHOST", "alpha"),), count(1))


def ended(core: Respawn, run: int, exit_code: int, now_ms: int) -> list[RespawnEffect]:
    effects = core.on_ended(run, Ending(exit_code=exit_code), now_ms)
    assert effects is not None
    return effects


def test_clients_start_once_in_file_order_as_their_user() -> None:
    core = respawn(IPFAIL, DOPD)
    first, second = core.on_start(0)
    assert isinstance(first, Launch)
    assert isinstance(second, Launch)
    assert (first.command, first.user, first.is_bound) == (IPFAIL.command, "hacluster", True)
    assert second.command == DOPD.command
    assert dict(first.environment) == {"HA_CURHOST": "alpha"}
    assert core.on_start(1) == []


def test_clients_are_started_anew_for_another_manager_but_those_that_would_reboot() -> None:
    core = respawn(IPFAIL, RespawnClient("root", ("/usr/libexec/ccm",), reboots=True))
    core.on_start(0)
    assert core.on_start(1) == []
    assert core.on_start(2, is_manager_new=True) == [Signal(1, is_hard=False)]
    fact, launch = ended(core, 1, 100, 5)
    assert isinstance(fact, ClientEnded)
    assert fact.restarts_in_ms == 0
    assert isinstance(launch, Launch)
    [fact] = ended(core, launch.run, 100, 9)  # as ever: it does not want to be started again


def test_a_client_that_ends_is_started_again_at_once() -> None:
    core = respawn(DOPD)
    core.on_start(0)
    fact, launch = ended(core, 1, 1, 5)
    assert fact == ClientEnded("/usr/libexec/dopd -v", 1, 0, "started again", 5)
    assert isinstance(launch, Launch)


def test_a_client_that_ends_with_100_is_left_alone() -> None:
    core = respawn(DOPD)
    core.on_start(0)
    [fact] = ended(core, 1, 100, 5)
    assert isinstance(fact, ClientEnded)
    assert fact.restarts_in_ms is None


def test_a_client_that_dies_at_once_is_started_eleven_times() -> None:
    core = respawn(DOPD)
    starts = len(core.on_start(0))
    effects = ended(core, 1, 1, 1)
    while len(effects) == 2:
        starts += 1
        effects = ended(core, starts, 1, starts)
    assert starts == 11
    [fact] = effects
    assert isinstance(fact, ClientEnded)
    assert fact.restarts_in_ms is None


def test_a_long_life_makes_quick_deaths_forgotten() -> None:
    core = respawn(DOPD)
    core.on_start(0)
    for run in range(1, 200):
        now_ms = run * QUICK_MS if run % 10 == 0 else run * QUICK_MS - QUICK_MS + 1
        assert len(ended(core, run, 1, now_ms)) == 2


def test_the_death_of_a_failfast_client_reboots() -> None:
    core = respawn(RespawnClient("root", ("/bin/vital",), reboots=True))
    core.on_start(0)
    effects = ended(core, 1, 0, 5)
    assert any(isinstance(effect, Reboot) for effect in effects)


def test_clients_stop_last_one_first_each_waited_for() -> None:
    core = respawn(IPFAIL, DOPD)
    core.on_start(0)
    assert core.on_stop(10) == [Signal(2, is_hard=False)]
    assert core.on_stop(11) == []
    assert ended(core, 2, 143, 12)[1:] == [Signal(1, is_hard=False)]
    assert core.on_tick(12 + STOP_MS) == [Signal(1, is_hard=True)]
    assert ended(core, 1, 137, 12 + STOP_MS)[-1] == ClientsStopped(12 + STOP_MS)
    assert core.next_wakeup_ms() is None
    assert core.running_count() == 0


def test_a_client_that_ends_out_of_turn_does_not_end_the_wait() -> None:
    core = respawn(IPFAIL, DOPD)
    core.on_start(0)
    core.on_stop(10)
    assert len(ended(core, 1, 0, 11)) == 1
    assert ended(core, 2, 143, 12)[-1] == ClientsStopped(12)


def test_a_client_that_nothing_ends_is_left_behind() -> None:
    core = respawn(DOPD)
    core.on_start(0)
    core.on_stop(0)
    core.on_tick(STOP_MS)
    effects = core.on_tick(2 * STOP_MS)
    assert effects[-1] == ClientsStopped(2 * STOP_MS)
    assert core.on_ended(1, Ending(exit_code=137), 99_999) is None


def test_without_clients_a_stop_is_done_at_once_and_may_be_followed_by_a_start() -> None:
    core = respawn(DOPD)
    assert core.on_stop(3) == [ClientsStopped(3)]
    [launch] = core.on_start(4)
    assert isinstance(launch, Launch)
