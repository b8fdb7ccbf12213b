"""One thread at a time: another one is refused, and nothing breaks."""

import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from packets import MESSAGES, packets, puback, publish, ready_client

import iothub_proto as hub


class Meddler(Mapping[str, str]):
    """Properties that run Python in the middle of a call."""

    def __init__(self, meddle: object) -> None:
        self.meddle = meddle

    def __getitem__(self, key: str) -> str:
        assert callable(self.meddle)
        self.meddle()
        return "value"

    def __iter__(self) -> Iterator[str]:
        return iter(["name"])

    def __len__(self) -> int:
        return 1


CALLS = [
    lambda client: client.state,
    lambda client: client.next_event(),
    lambda client: client.data_to_send(),
    lambda client: client.receive_data(b"\xd0\x00", now=1.0),
    lambda client: client.send_telemetry(b"", now=1.0),
    lambda client: repr(client),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("elsewhere", [True, False], ids=["another thread", "the same thread"])
def test_a_call_that_meets_another_is_refused(call: object, elsewhere: bool) -> None:
    client = ready_client()
    assert callable(call)
    met: list[BaseException | None] = []

    def meddle() -> None:
        if elsewhere:
            with ThreadPoolExecutor(1) as pool:
                met.append(pool.submit(call, client).exception())
        else:
            with pytest.raises(hub.LocalProtocolError) as error:
                call(client)
            met.append(error.value)

    token = client.send_telemetry(b"x", Meddler(meddle), now=1.0)
    (error,) = met
    assert isinstance(error, hub.LocalProtocolError) and error.kind is hub.Usage.IN_USE
    # The call in progress is not harmed.
    assert client.unacked == [token] and len(packets(client.data_to_send())) == 1


def test_an_exception_in_the_middle_of_a_call_leaves_the_client_usable() -> None:
    client = ready_client()
    with pytest.raises(ZeroDivisionError):
        client.send_telemetry(b"x", Meddler(lambda: 1 / 0), now=1.0)
    assert client.pending.telemetry == 0
    client.send_telemetry(b"x", now=1.0)


def test_two_threads_in_turn_or_refused() -> None:
    """Whatever the interleaving: a call does its work or raises, and the sum is right."""
    client = ready_client()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    done = [0, 0]
    start = threading.Barrier(2)

    def work(me: int) -> None:
        start.wait()
        for _ in range(2000):
            try:
                client.receive_data(publish(MESSAGES, b"x"), now=1.0)
                done[me] += 1
            except hub.LocalProtocolError as error:
                assert error.kind is hub.Usage.IN_USE

    try:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(work, me) for me in range(2)]:
                future.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(list(iter(client.next_event, None))) == sum(done) > 0


def test_clients_are_independent() -> None:
    def session(number: int) -> bytes:
        client = ready_client()
        for _ in range(50):
            client.send_telemetry(number.to_bytes(2), now=1.0)
            [(_, body)] = packets(client.data_to_send())
            client.receive_data(puback(int.from_bytes(body[-4:-2])), now=1.0)
            assert isinstance(client.next_event(), hub.TelemetryAcked)
        return body[-2:]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(session, range(40))) == [number.to_bytes(2) for number in range(40)]
