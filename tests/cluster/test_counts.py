"""Every count that only several gateways need counts: each is provoked on a cluster that was sound before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cluster.rig import Cluster, hall
from crash.counts import Fault
from crash.sender import Association, Ending, Sender

#: Three gateways, a database server and a balancer share the machine with the tests beside them.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def lived() -> Iterator[Cluster]:
    """One gateway behind a balancer that has received and delivered three instances."""
    with hall() as place, place.cluster(size=1) as cluster:
        sender = Sender(cluster.ledger, cluster.balancer.port)
        with cluster.nobody_cut_off():
            sender.association((200, 2000))
            sender.association((300,))
        cluster.drain()
        yield cluster


@pytest.fixture
def cluster(lived: Cluster) -> Iterator[Cluster]:
    """It, put back afterwards as it was."""
    lines, cut_off = lived.lines.read_text(), list(lived.cut_off)
    hurt, arrived = list(lived.archive.hurt), list(lived.archive.arrived)
    yield lived
    lived.lines.write_text(lines)
    lived.cut_off[:] = cut_off
    lived.archive.hurt[:], lived.archive.arrived[:] = hurt, arrived


def test_a_sound_cluster_has_no_fault(cluster: Cluster) -> None:
    tally = cluster.count()
    tally.check()
    assert (tally.acknowledged, tally.released, tally.jobs, tally.run_again, tally.revived) == (3, 3, 2, 0, 0)


def _run_again(cluster: Cluster, attempt: int) -> None:
    job = cluster.lines.read_text().split()[0]
    with cluster.lines.open("a") as lines:
        lines.write(f"{job} {attempt}\n")


def _refuse(cluster: Cluster) -> None:
    with cluster.nobody_cut_off():
        cluster.ledger.associations.append(Association("HILUM", ending=Ending.RELEASE, meant=1))
    del cluster.ledger.associations[-1]


PROVOKED: dict[Fault, Callable[[Cluster], object]] = {
    Fault.RUN_TWICE: lambda cluster: _run_again(cluster, 1),
    Fault.RUN_AGAIN: lambda cluster: _run_again(cluster, 2),
    Fault.CUT_OFF: _refuse,
    Fault.REPEATED: lambda cluster: cluster.archive.arrived.append(cluster.archive.arrived[0]),
}


@pytest.mark.parametrize("fault", PROVOKED)
def test_what_is_wrong_is_counted(cluster: Cluster, fault: Fault) -> None:
    PROVOKED[fault](cluster)
    assert fault in cluster.count().faults


def test_what_a_gateway_sent_that_was_hurt_may_come_twice(cluster: Cluster) -> None:
    arrived = cluster.archive.arrived
    arrived.append(arrived[0])
    cluster.archive.excuse([arrived[0].association.calling], 0.0, float("inf"))
    cluster.count().check()


def test_a_broken_association_is_no_success() -> None:
    told = Association("HILUM", ending=Ending.RELEASE, meant=0)
    assert not told.went_well
    told.released_at = 1.0
    assert told.went_well
    told.meant = 1
    assert not told.went_well
