"""Lists Datadog's sites, and says where each takes requests. Pure, any thread."""

from __future__ import annotations

from typing import Literal, get_args

Site = Literal[
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
]
SITES: tuple[Site, ...] = get_args(Site)


def default_base_url(site: Site) -> str:
    """Where a site takes requests."""
    return f"https://api.{site}"


# Their pages are at `app.` and the site; of the others at the site itself.
_WITH_APP = ("datadoghq.com", "datadoghq.eu", "ddog-gov.com")


def page_host(site: Site) -> str:
    """Where a site's pages are."""
    return f"app.{site}" if site in _WITH_APP else site
