"""What is done to several gateways while instances arrive, each time undone again; and trials of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from cluster.rig import LEASE, Cluster, hall
from crash.rig import Recovery
from crash.trials import Series, Trial

#: A cluster gets so many faults before the next one begins with nothing: each count looks at all that was ever sent.
PER_CLUSTER: Final = 8
_WARM: Final = 1.0

Hurt = Callable[[Cluster], Recovery]


@contextmanager
def _under_load(cluster: Cluster, **how: Any) -> Iterator[None]:
    """Senders at work before, meanwhile and a moment longer; all gateways are there again at the end."""
    load = cluster.load(**how)
    load.start()
    try:
        time.sleep(random.uniform(0.2, _WARM))
        yield
        time.sleep(random.uniform(0, _WARM))
    finally:
        load.stop()
    cluster.all_up()


def kill(cluster: Cluster) -> Recovery:
    """SIGKILL of a gateway, which its service manager starts again at once."""
    with _under_load(cluster):
        member = random.choice(cluster.members)
        with cluster.hurting(member):
            member.kill()
        process = member.start()
    return Recovery(listening=process.listening_at - process.born_at)


def kill_for_long(cluster: Cluster) -> Recovery:
    """SIGKILL of a gateway that comes back after others have taken over, or when its lease is just ending."""
    with _under_load(cluster):
        member = random.choice(cluster.members)
        with cluster.hurting(member) as begun:
            member.kill()
        taken_over = cluster.wait_until_taken_over(member, begun) if random.random() < 0.7 else 0.0
        time.sleep(max(0.0, begun + random.uniform(0.7, 1.2) * LEASE - time.monotonic()))
        process = member.start()
    return Recovery(listening=process.listening_at - process.born_at, taken_over=taken_over)


def kill_two(cluster: Cluster) -> Recovery:
    """SIGKILL of two gateways: the third one takes over from both."""
    with _under_load(cluster):
        first, second = random.sample(cluster.members, 2)
        with cluster.hurting(first, second) as begun:
            first.kill()
            time.sleep(random.uniform(0, 1))
            second.kill()
        taken_over = cluster.wait_until_taken_over(first, begun)
        for member in (second, first):
            process = member.start()
    return Recovery(listening=process.listening_at - process.born_at, taken_over=taken_over)


def stop_briefly(cluster: Cluster) -> Recovery:
    """A gateway does nothing for a while, and is not taken for dead."""
    with _under_load(cluster), random.choice(cluster.members).still():
        time.sleep(random.uniform(0.05, 0.6) * LEASE)
    return Recovery(listening=0.0)


def stop_for_long(cluster: Cluster) -> Recovery:
    """A gateway does nothing until others have taken over, and then goes on where it was."""
    with _under_load(cluster):
        taken_over = late(cluster)
    return Recovery(listening=0.0, taken_over=taken_over)


def late(cluster: Cluster) -> float:
    """One gateway is taken for dead and goes on; seconds until others had taken over."""
    member = random.choice(cluster.members)
    with cluster.hurting(member) as begun, member.still():
        taken_over = cluster.wait_until_taken_over(member, begun)
        time.sleep(random.uniform(0, 0.5))
    return taken_over


def restart_one_by_one(cluster: Cluster) -> Recovery:
    """A new version comes: each gateway is asked to end and started again. No sender notices."""
    with cluster.nobody_cut_off(), _under_load(cluster, patience=(60.0,)):
        for member in random.sample(cluster.members, len(cluster.members)):
            member.stop()
            process = member.start()
            cluster.balancer.wait_until_up(member.name)
    return Recovery(listening=process.listening_at - process.born_at)


def reload_balancer(cluster: Cluster) -> Recovery:
    """The balancer reads its configuration again. No sender notices."""
    with cluster.nobody_cut_off(), _under_load(cluster, patience=(60.0,)):
        cluster.balancer.reload()
    return Recovery(listening=0.0)


def restart_database(cluster: Cluster) -> Recovery:
    """The database server is restarted in order, which closes every connection."""
    return _database_is_gone(cluster, at_once=False)


def crash_database(cluster: Cluster) -> Recovery:
    """The database server is cut off as by a crash, and recovers."""
    return _database_is_gone(cluster, at_once=True)


def _database_is_gone(cluster: Cluster, *, at_once: bool) -> Recovery:
    with _under_load(cluster), cluster.hurting(*cluster.members):
        cluster.postgres.stop(at_once=at_once)
        time.sleep(random.choice((0.0, random.uniform(0, 1.5) * LEASE)))
        cluster.postgres.start()
    return Recovery(listening=0.0)


def all_of_it(cluster: Cluster) -> Recovery:
    """One gateway is dead and another one is stopped while the database server is restarted."""
    with _under_load(cluster):
        dead, still = random.sample(cluster.members, 2)
        with cluster.hurting(*cluster.members):
            dead.kill()
            with still.still():
                cluster.postgres.stop(at_once=random.random() < 0.5)
                time.sleep(random.uniform(0, 1.2) * LEASE)
                cluster.postgres.start()
        process = dead.start()
    return Recovery(listening=process.listening_at - process.born_at)


FAULTS: Final[Mapping[str, Hurt]] = {
    "SIGKILL, restarted at once": kill,
    "SIGKILL, taken over": kill_for_long,
    "SIGKILL of two, taken over": kill_two,
    "SIGSTOP for less than a lease": stop_briefly,
    "SIGSTOP for more than a lease": stop_for_long,
    "restart one by one": restart_one_by_one,
    "database restarted": restart_database,
    "database crashed": crash_database,
    "balancer reloaded": reload_balancer,
    "several at once": all_of_it,
}


def trials(names: Sequence[str], *, is_control: bool = False, **how: Any) -> Iterator[Trial]:
    """These faults one after the other on clusters of their own, a few on each.

    Args:
        how: As ``Cluster`` takes it.
    """
    with hall() as place:
        for start in range(0, len(names), PER_CLUSTER):
            with ExitStack() as one:
                cluster = one.enter_context(place.cluster(**how))
                series = Series(cluster, is_control=is_control)
                for name in names[start : start + PER_CLUSTER]:
                    yield series.judge(name, FAULTS[name](cluster))
                if not is_control:
                    yield series.accept_held("all that was held, accepted")
