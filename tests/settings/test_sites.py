from __future__ import annotations

from llmobs_trace.settings import sites


def test_there_are_eight_sites_each_with_its_host() -> None:
    assert len(set(sites.SITES)) == 8
    assert sites.default_base_url("us5.datadoghq.com") == "https://api.us5.datadoghq.com"
