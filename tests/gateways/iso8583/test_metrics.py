"""What links count is shown by link while they are up, and summed by place for ever."""

from __future__ import annotations

from datetime import timedelta

import httpx

from api.app import create_metrics_app
from api.hosts import HttpHost
from gateways.iso8583.framing import TWO_BYTES
from gateways.iso8583.metrics import MEDIA_TYPE, exposition, links_up, totals_of
from tests.gateways.iso8583.test_links import Site, echo
from tests.gateways.iso8583.world import World, play


def counts(text: str) -> dict[str, int]:
    return {name: int(count) for name, count in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def test_counts_are_summed_by_place_and_do_not_fall_when_a_link_is_gone() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo))
        port = f"port {listener.address[1]}"
        first = await world.dial(listener, Site(), name="network")
        second = await world.dial(listener, Site(), name="network")
        for link, sent in ((first, 3), (second, 2)):
            for _ in range(sent):
                link.send(b"abc")
        await world.idle()
        ours = [link for link in links_up(world.wires) if link.place == "network"]
        assert sorted(totals_of(link.counters)["frames_out"] for link in ours) == [2, 3]
        before = counts(exposition(world.wires))
        assert before['bezant_links{place="network"}'] == before[f'bezant_links{{place="{port}"}}'] == 2
        for place in ("network", port):
            for direction in ("in", "out"):
                assert before[f'bezant_link_frames_total{{place="{place}",direction="{direction}"}}'] == 5
                size = 5 * len(TWO_BYTES.framed(b"abc"))
                assert before[f'bezant_link_bytes_total{{place="{place}",direction="{direction}"}}'] == size
        first.close()
        await world.advance(timedelta(seconds=1))
        after = counts(exposition(world.wires))
        assert after['bezant_links{place="network"}'] == after[f'bezant_links{{place="{port}"}}'] == 1
        assert {name: count for name, count in after.items() if not name.startswith("bezant_links{")} == {
            name: count for name, count in before.items() if not name.startswith("bezant_links{")
        }
        await listener.close()

    assert play(story) == []


def test_every_count_is_declared_with_its_kind() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo))
        link = await world.dial(listener, Site(), name="network")
        lines = exposition(world.wires).splitlines()
        declared = {line.split()[2] for line in lines if line.startswith("# TYPE")}
        assert declared == {line.partition("{")[0] for line in lines if line[0] != "#"}
        link.close()
        await listener.close()

    assert play(story) == []


def test_a_host_without_another_interface_shows_its_counts_over_http() -> None:
    async def story(world: World) -> None:
        listener = await world.listen(Site(echo))
        link = await world.dial(listener, Site(), name="network")
        async with (
            HttpHost(create_metrics_app(world.wires), "127.0.0.1", 0) as host,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{host.port}", trust_env=False) as http,
        ):
            answer = await http.get("/metrics")
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert counts(answer.text)['bezant_links{place="network"}'] == 1
        link.close()
        await listener.close()

    assert play(story) == []
