"""Lists the forms of keys that providers give out, as data.

Forms are those that the providers document, as collected in gitleaks' config/gitleaks.toml, kingfisher's
data/rules and GitHub's list of secret scanning patterns; GitHub: "Behind GitHub's new authentication token
formats" (2021), AWS: "IAM identifiers" and "Amazon Bedrock API keys", GitLab: "Token overview", Slack: "Token
types". Where lengths have changed over the years the shortest that was ever given out is the bound: later
ones are longer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .rule import Rule, pattern


def _has_digit(text: str) -> bool:
    return len(text) >= 40 or any(character.isdigit() for character in text)


def _is_random(text: str) -> bool:
    """Whether a text has both cases and digits, as what is drawn from 62 characters has."""
    return (
        any(character.isdigit() for character in text)
        and any(character.isupper() for character in text)
        and any(character.islower() for character in text)
    )


_RUN: Final = re.compile(r"[A-Za-z0-9]+")


def _is_drawn(text: str) -> bool:
    """Whether a run in it was drawn at random; names of models and functions are words and dates."""
    for run in _RUN.findall(text):
        if len(run) >= 32 and any(character.isdigit() for character in run):
            return True
        if len(run) >= 12 and _is_random(run) and (len(run) >= 20 or sum(map(str.isdigit, run)) >= 2):
            return True
    return False


def _is_paired(text: str) -> bool:
    """Whether what stands behind the digits and the full stop is no name of a file."""
    return _is_random(text.partition(".")[2])


def _key(provider: str, regex: str, *hints: str, holds: Callable[[str], bool] | None = None) -> Rule:
    return _run(f"{provider} key", rf"(?<![A-Za-z0-9]){regex}", *hints, holds=holds)


def _run(label: str, regex: str, *hints: str, holds: Callable[[str], bool] | None = None) -> Rule:
    return pattern(label, regex, *hints, holds=holds)._replace(in_a_run=True)


def _near(provider: str, words: str, form: str, *hints: str) -> Rule:
    """A key whose form is that of a hash or an id: what tells is the provider's name close before it."""
    return pattern(
        f"{provider} key",
        rf"(?:{words})[^\r\n]{{0,40}}?(?:key|token|secret)[^\r\n]{{0,12}}?"
        rf"(?<![0-9a-z])(?P<it>{form})(?![0-9a-z])",
        *hints,
        flags=re.ASCII | re.IGNORECASE,
    )


_HEX32: Final = "[0-9a-f]{32}"
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# A hint is what a text holds, in lower case, where the form can be in it: texts without it are not searched.
FORMS: Final[tuple[Rule, ...]] = (
    # Models
    _key("Anthropic", r"sk-ant-[\w-]{16,}", "sk-ant-"),
    _key("OpenRouter", r"sk-or-[\w-]{16,}", "sk-or-"),
    _key("Langfuse", r"sk-lf-[\w-]{16,}", "sk-lf-"),
    _key("OpenAI", r"sk-(?:proj|svcacct|admin|None)-[\w-]{16,}", "sk-proj-", "sk-svcacct-", "sk-admin-",
         "sk-none-"),
    _key("OpenAI", r"sk-[A-Za-z0-9]{20,}", "sk-", holds=_has_digit),
    _key("Google", r"(?:AIza[\w-]{35}|AQ\.Ab[\w-]{30,}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,}|1//0[\w-]{40,})",
         "aiza", "aq.ab", "gocspx-", "ya29.", "1//0"),
    _key("Amazon Bedrock", r"(?:ABSK[A-Za-z0-9+/]{60,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{16,})", "absk",
         "bedrock-api-key-"),
    _key("Hugging Face", r"(?:hf|api_org)_[A-Za-z0-9]{34,}", "hf_", "api_org_"),
    _key("Groq", r"gsk_[A-Za-z0-9]{40,}", "gsk_"),
    _key("xAI", r"xai-[A-Za-z0-9]{40,}", "xai-"),
    _key("Perplexity", r"pplx-[A-Za-z0-9]{40,}", "pplx-"),
    _key("NVIDIA", r"nvapi-[\w-]{50,}", "nvapi-"),
    _key("Replicate", r"r8_[A-Za-z0-9]{37}", "r8_"),
    _key("Together", r"tgp_v1_[\w-]{40,}", "tgp_v1_"),
    _key("Fireworks", r"fw_[A-Za-z0-9]{22,}", "fw_", holds=_has_digit),
    _key("Cerebras", r"csk-[a-z0-9]{40,}", "csk-"),
    _key("ElevenLabs", r"sk_[0-9a-f]{48}(?![0-9a-z])", "sk_"),
    _key("Jina", r"jina_[0-9a-f]{32}[\w-]{20,}", "jina_"),
    _key("Voyage", r"(?:pa|al)-[A-Za-z0-9_-]{43}(?![\w-])", "pa-", "al-", holds=_has_digit),
    _key("Nebius", r"v1\.CmM[\w-]{40,}(?:\.[\w-]+)*", "v1.cmm"),
    _key("Stability", r"sk-stab-[\w-]{20,}", "sk-stab-"),
    _key("Modal", r"(?:ak|as)-[A-Za-z0-9]{22}(?![\w-])", "ak-", "as-", holds=_has_digit),
    _key("RunPod", r"rpa_[A-Z0-9]{40,}", "rpa_"),
    _key("Anyscale", r"(?:esecret|aph0)_[A-Za-z0-9]{24,}", "esecret_", "aph0_"),
    _key("Runway", r"key_[0-9a-f]{128}", "key_"),
    _key("Cursor", r"key_[0-9a-f]{64}(?![0-9a-f])", "key_"),
    _key("Luma", rf"luma-{_UUID}", "luma-"),
    _key("TwelveLabs", r"tlk_[A-Z0-9]{30,}", "tlk_"),
    _key("Friendli", r"flp_[A-Za-z0-9]{40,}", "flp_"),
    _key("Lambda", r"secret_[\w-]{1,40}_[0-9a-f]{32}\.[A-Za-z0-9]{32}", "secret_"),
    _key("fal", rf"{_UUID}:{_HEX32}(?![0-9a-z])", ":"),
    # Of Zhipu, and of Ollama: an id and a secret.
    _key("Zhipu", r"[0-9a-f]{32}\.[A-Za-z0-9_-]{16,24}(?![\w.-])", ".", holds=_is_paired),
    _key("Baidu", r"bce-v3/ALTAK-[A-Za-z0-9]{21}/[0-9a-f]{40}", "bce-v3/"),
    # What stands around models: search, vectors, tracing
    _key("Pinecone", r"pcsk_\w{40,}", "pcsk_"),
    _key("Tavily", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{20,}", "tvly-"),
    _key("Firecrawl", r"fc-[0-9a-f]{32}(?![0-9a-z])", "fc-"),
    _key("Brave Search", r"BSA[\w-]{27,29}(?![\w-])", "bsa", holds=_has_digit),
    _key("LlamaCloud", r"llx-[A-Za-z0-9]{40,}", "llx-"),
    _key("E2B", r"e2b_[0-9a-f]{40}", "e2b_"),
    _key("Composio", r"ak_[A-Za-z0-9]{20}(?![A-Za-z0-9])", "ak_", holds=_has_digit),
    _key("LangSmith", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}", "lsv2_"),
    _key("LangSmith", r"ls__[0-9a-f]{32}", "ls__"),
    _key("Helicone", r"sk-helicone-[\w-]{16,}", "sk-helicone-"),
    _key("Weights & Biases", r"wandb_v1_[\w-]{40,}", "wandb_v1_"),
    _key("PostHog", r"ph[xs]_[A-Za-z0-9_]{40,}", "phx_", "phs_"),
    _key("Logfire", r"pylf_v\d+_[a-z]{2}_\w{40,}", "pylf_v"),
    _key("Braintrust", r"sk-bt-[\w-]{16,}", "sk-bt-"),
    _key("PromptLayer", r"pl_[0-9a-f]{32}(?![0-9a-z])", "pl_"),
    _key("Mem0", r"m0-[A-Za-z0-9]{40}(?![A-Za-z0-9])", "m0-"),
    _key("Context7", rf"ctx7sk-{_UUID}", "ctx7sk-"),
    _key("Daytona", r"dtn_[0-9a-f]{64}", "dtn_"),
    _key("Voiceflow", r"VF\.(?:(?:DM|WS)\.)?[0-9a-fA-F]{24}\.[A-Za-z0-9]{16}", "vf."),
    _key("Apify", r"apify_api_[A-Za-z0-9]{30,}", "apify_api_"),
    _key("RapidAPI", r"[0-9a-z]{10}msh[0-9a-z]{15}p[0-9a-z]{7}jsn[0-9a-z]{12}(?![0-9a-z])", "jsn"),
    # Clouds
    _key("AWS", r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])", "akia", "asia", "abia",
         "acca", "a3t"),
    _key("AWS session", r"(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz)[A-Za-z0-9+/%]{60,}={0,2}", "iqojb3jpz2lu",
         "ogzxivyxdz"),
    # Microsoft's keys carry a sign of their service, at its place.
    _key("Azure", r"[A-Za-z0-9]{52}JQQJ9[9A-Z][A-Za-z0-9]{20,}", "jqqj9"),
    _run(
        "Azure key",
        r"(?<![\w+/-])[\w+/-]{33,76}(?:\+ASt|\+ACR|\+ABa|\+AMC|\+AEh|\+ARm|AIoT|ACDb|AzSe|AzFu|AzCa|APIM)"
        r"[A-Za-z0-9+/]{5,6}={0,2}(?![\w+/=-])",
        "+ast", "+acr", "+aba", "+amc", "+aeh", "+arm", "aiot", "acdb", "azse", "azfu", "azca", "apim",
    ),
    _run("Azure key", r"(?<![\w~.-])[\w~.]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])", "q~"),
    _key("Databricks", r"dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _key("DigitalOcean", r"do[opr]_v1_[0-9a-f]{64}", "doo_v1_", "dop_v1_", "dor_v1_"),
    _key("Heroku", r"HRKU-[\w-]{58,}", "hrku-"),
    _key("Fly", r"(?:fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3})", "fo1_", "fm1", "fm2_"),
    _key("Vercel", r"(?:vc[apkir]_[A-Za-z0-9]{24,}|vercel_blob_rw_\w{30,})", "vcp_", "vca_", "vck_", "vci_",
         "vcr_", "vercel_blob_rw_"),
    _key("Netlify", r"nf[pcoub]_[A-Za-z0-9]{36,}", "nfp_", "nfc_", "nfo_", "nfu_", "nfb_"),
    _key("Supabase", r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})", "sbp_", "sb_secret_"),
    _key("PlanetScale", r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}", "pscale_"),
    _key("Cloudflare", r"(?:v1\.0-[0-9a-f]{24}-[0-9a-f]{146}|cf(?:ut|at|k)_[A-Za-z0-9]{40,})", "v1.0-",
         "cfut_", "cfat_", "cfk_"),
    _key("Alibaba Cloud", r"LTAI[A-Za-z0-9]{12,26}(?![A-Za-z0-9])", "ltai"),
    _key("Tencent Cloud", r"AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])", "akid"),
    _key("Scalingo", r"tk-[a-z]{2}-[\w-]{40,}", "tk-", holds=_has_digit),
    _key("Neon", r"napi_[a-z0-9]{40,}", "napi_"),
    _key("Render", r"rnd_[A-Za-z0-9]{28,}", "rnd_", holds=_has_digit),
    _key("Deno", r"dd[pwo]_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "ddp_", "ddw_", "ddo_"),
    _key("Aiven", r"AVNS_[\w-]{15,}", "avns_"),
    _key("ClickHouse", r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])", "4b1d", holds=_is_random),
    _key("CockroachDB", r"CCDB1_[A-Za-z0-9]{20,}_[A-Za-z0-9]{30,}", "ccdb1_"),
    _key("OpenShift", r"sha256~[\w-]{43}(?![\w-])", "sha256~"),
    _key("Tailscale", r"tskey-(?:[a-z]{2,12}-)?[A-Za-z0-9]{6,}-[A-Za-z0-9]{16,}", "tskey-"),
    _key("Defined Networking", r"dnkey-[\w=-]{26}-[\w=-]{52}", "dnkey-"),
    _key("Yandex", r"(?:AQVN[\w-]{35,38}|t1\.[\w-]{20,}={0,2}\.[\w-]{86}={0,2}|y[0-3]_[\w-]{50,})(?![\w-])",
         "aqvn", "t1.", "y0_", "y1_", "y2_", "y3_", holds=_has_digit),
    _key("Scaleway", r"SCW[A-Z0-9]{17}(?![A-Za-z0-9])", "scw"),
    # Code, builds and secrets
    _key("GitHub", r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})", "ghp_", "gho_", "ghu_", "ghs_",
         "ghr_", "github_pat_"),
    # The newer ones tell where they belong, behind full stops.
    _key("GitLab", r"(?:gl(?:pat|dt|rt|rtr|cbt|ptt|ft|fft|ffct|imt|agent|oas|soat|wt)-[\w-]{20,}"
         r"(?:\.[\w-]{2,})*"
         r"|GR1348941[\w-]{20,})", "gl", "gr1348941"),
    _key("Atlassian", r"AT(?:ATT|CTT|BB|SC)[A-Za-z0-9][\w=-]{20,}", "atatt", "atctt", "atbb", "atsc",
         holds=_has_digit),
    _key("Trello", r"ATTA[0-9a-f]{64}[0-9A-Z]{8}", "atta"),
    _key("Bitbucket", r"BBDC-[A-Za-z0-9+/@_-]{40,}", "bbdc-"),
    _key("Docker Hub", r"dckr_(?:pat|oat)_[\w-]{27,}", "dckr_"),
    _key("Vault", r"(?:hv[sbr]\.[\w-]{20,}|s\.[A-Za-z0-9]{24}(?![\w.]))", "hvs.", "hvb.", "hvr.", "s.",
         holds=_has_digit),
    _key("Terraform", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}", ".atlasv1."),
    _key("Pulumi", r"pul-[0-9a-f]{40}", "pul-"),
    _key("Doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,}", "dp."),
    _key("1Password", r"(?:ops_eyJ[A-Za-z0-9+/]{60,}={0,3}|A3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,11}){4,5})",
         "ops_eyj", "a3-"),
    _key("Infisical", r"st\.[0-9a-f]{24}(?:\.[0-9a-f]{32}){2}", "st."),
    _key("Harness", r"[ps]at\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}", "at."),
    _key("Octopus", r"API-[A-Z0-9]{26,}(?![A-Za-z0-9-])", "api-", holds=_has_digit),
    _key("LaunchDarkly", rf"(?:sdk|api)-{_UUID}", "sdk-", "api-"),
    _key("Snyk", r"snyk_[us]at\.[\w.-]{40,}", "snyk_"),
    _key("Sonar", r"sq[upa]_[0-9a-f]{40}(?![0-9a-f])", "squ_", "sqp_", "sqa_"),
    _key("Clojars", r"CLOJARS_[a-z0-9]{60}", "clojars_"),
    _key("Zuplo", r"zpka_[0-9a-f]{32}_[0-9a-f]{8}", "zpka_"),
    _key("Inngest", r"signkey-(?:prod|test|branch)-[0-9a-f]{32,}", "signkey-"),
    _key("Trigger.dev", r"tr_(?:dev|stg|prod|preview)_[A-Za-z0-9]{20,}", "tr_"),
    _key("Alchemy", r"alcht_[A-Za-z0-9]{30}", "alcht_"),
    _key("Bannerbear", r"bb_(?:pr|ma)_[0-9a-f]{30}", "bb_pr_", "bb_ma_"),
    _key("pganalyze", r"pgar?_[A-Za-z0-9]{26,}", "pga_", "pgar_", holds=_has_digit),
    _key("SaladCloud", r"salad_cloud_[0-9A-Za-z]{1,7}_[0-9A-Za-z]{30,}", "salad_cloud_"),
    _key("Flexport", r"shltm_[\w-]{40}", "shltm_"),
    _key("Spectral", r"spu-[0-9a-f]{32}", "spu-"),
    _key("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", "age-secret-key-1"),
    _key("npm", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _key("PyPI", r"pypi-AgE[\w-]{50,}", "pypi-age"),
    _key("RubyGems", r"rubygems_[0-9a-f]{48}", "rubygems_"),
    _key("crates.io", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", "cio", holds=_has_digit),
    _key("NuGet", r"oy2[a-z0-9]{43}(?![a-z0-9])", "oy2"),
    _key("Artifactory", r"(?:AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59})", "akcp", "cmvmd"),
    _key("CircleCI", r"CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}", "ccipat_", "cciprj_"),
    _key("Buildkite", r"bk[ua]a_[0-9a-z]{40}", "bkua_", "bkaa_"),
    _key("Prefect", r"pn[ub]_[A-Za-z0-9]{36}", "pnu_", "pnb_"),
    _key("Sourcegraph", r"(?:sgp_(?:(?:[0-9a-fA-F]{16}|local)_)?[0-9a-fA-F]{40}|slk_[0-9a-f]{64})", "sgp_",
         "slk_"),
    # Watching
    _key("Grafana", r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[A-Za-z0-9+/]{32,}={0,3}"
         r"|eyJrIjoi[A-Za-z0-9+/_-]{60,}={0,3})", "glsa_", "glc_", "eyjrijoi"),
    _key("Sentry", r"(?:sntryu_[0-9a-f]{64}|sntrys_[\w+/=-]{40,})", "sntryu_", "sntrys_"),
    _key("New Relic", r"(?:NRAK-[A-Z0-9]{27}|NRII-[\w-]{32}|NRJS-[0-9a-f]{19}|[0-9a-f]{36}NRAL)", "nrak-",
         "nrii-", "nrjs-", "nral"),
    _key("Dynatrace", r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "dt0"),
    _key("PagerDuty", r"u\+[A-Za-z0-9_+-]{18}(?![\w+-])", "u+", holds=_has_digit),
    _key("Honeycomb", r"hc[abkmx]ik_[a-z0-9]{50,}", "ik_"),
    # Talking and working together
    _key("Slack", r"(?:xox[abcdeoprs]|xapp|xoxe\.xox[bp])-[A-Za-z0-9%-]{10,}", "xox", "xapp-"),
    _run(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<it>[\w+/-]{20,})",
        "hooks.slack.com",
    ),
    _run("Discord webhook", r"discord(?:app)?\.com/api/webhooks/(?P<it>\d{17,20}/[\w-]{60,})",
            "api/webhooks/"),
    _run("Teams webhook", r"webhook\.office\.com/webhookb2/(?P<it>[\w@/-]{60,})", "webhook.office.com"),
    _run("Zapier webhook", r"hooks\.zapier\.com/hooks/catch/(?P<it>\d+/\w+)", "hooks.zapier.com"),
    _run("Make webhook", r"hook\.[a-z0-9.]{0,12}make\.com/(?P<it>[a-z0-9]{20,})", "make.com"),
    _run("IFTTT webhook", r"maker\.ifttt\.com/trigger/[^\s/]{1,80}/(?:json/)?with/key/(?P<it>[\w-]{10,})",
            "maker.ifttt.com"),
    _key("Discord", r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])", ".", holds=_has_digit),
    _key("Telegram", r"\d{8,10}:AA[\w-]{33}(?![\w-])", ":aa"),
    _key("Notion", r"(?:ntn_\d{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43}(?![A-Za-z0-9]))", "ntn_", "secret_"),
    _key("Linear", r"lin_(?:api|oauth|wh)_[A-Za-z0-9]{32,}", "lin_"),
    _key("Asana", r"[12]/\d{13,20}(?:/\d{13,20})?:[0-9a-f]{32}", ":"),
    _key("Typeform", r"tfp_[\w.=-]{40,}", "tfp_"),
    _key("ReadMe", r"rdme_[a-z0-9]{70}", "rdme_"),
    _key("Frame.io", r"fio-u-[\w=-]{64}", "fio-u-"),
    _key("Adobe", r"p8e-[A-Za-z0-9]{32}(?![A-Za-z0-9])", "p8e-", holds=_has_digit),
    _key("Adafruit", r"aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])", "aio_", holds=_has_digit),
    _key("Lichess", r"lip_[A-Za-z0-9]{20}(?![A-Za-z0-9])", "lip_", holds=_has_digit),
    _key("42", r"s-s4t2(?:ud|af)-[0-9a-f]{64}", "s-s4t2"),
    _key("Rootly", r"rootly_[0-9a-f]{64}", "rootly_"),
    _key("Dropbox", r"sl\.(?:u\.)?[\w-]{100,}", "sl."),
    _key("Salesforce", r"00D[A-Za-z0-9]{12}![\w.]{80,}", "00d"),
    _key("Tableau", r"[A-Za-z0-9+/]{22}==:[A-Za-z0-9]{32}(?![A-Za-z0-9])", "==:"),
    _key("Zoho", r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}", "1000."),
    _key("Airtable", r"oaa[A-Za-z0-9]{14,}\.v1\.[\w-]{20,}\.[0-9a-f]{32,}", ".v1."),
    _key("Airtable", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", "pat"),
    _key("Figma", r"fig(?:d|o|u|oh|or|uh|ur)_[\w-]{40,}", "figd_", "figo_", "figu_", "figoh_", "figor_",
         "figuh_", "figur_"),
    _key("Postman", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", "pmak-"),
    _key("ClickUp", r"pk_\d{6,9}_[A-Z0-9]{32}", "pk_"),
    # Mail, payment, shops, maps
    _key("SendGrid", r"SG\.[\w-]{16,22}\.[\w-]{43}", "sg."),
    _key("Mailgun", r"key-[0-9a-f]{32}(?![0-9a-z])", "key-"),
    _key("Mailchimp", r"[0-9a-f]{32}-us\d{1,2}(?!\d)", "-us"),
    _key("Mailgun", r"(?<!-)[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])", "-"),
    _key("Mandrill", r"md-[A-Za-z0-9_-]{22}(?![\w-])", "md-", holds=_is_random),
    _key("Brevo", r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}", "xkeysib-", "xsmtpsib-"),
    _key("Resend", r"re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{20,}", "re_", holds=_has_digit),
    _key("Twilio", r"SK[0-9a-f]{32}(?![0-9a-zA-Z])", "sk"),
    _key("Stripe", r"(?:(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{24,})", "k_live_",
         "k_test_", "k_prod_", "whsec_"),
    _key("Square", r"(?:EAAA[\w-]{56,60}|sq0(?:atp|csp|idp)-[\w-]{22,43})", "eaaa", "sq0"),
    _key("PayPal", r"access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}", "access_token$"),
    _key("Shopify", r"shp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}", "shpat_", "shpca_", "shppa_", "shpss_",
         "shptka_"),
    _key("Shippo", r"shippo_(?:live|test)_[0-9a-fA-F]{40}", "shippo_"),
    _key("EasyPost", r"EZ[AT]K[A-Za-z0-9]{54}", "ezak", "eztk"),
    _key("Plaid", rf"access-(?:sandbox|development|production)-{_UUID}", "access-"),
    _key("Flutterwave", r"FLWSECK(?:_TEST)?-[0-9A-Za-z]{12,}(?:-X)?", "flwseck"),
    _key("MaxMind", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk", "_mmk"),
    _key("X", r"A{19,30}[A-Za-z0-9]{4,60}%[0-9A-F]{2}[A-Za-z0-9%]{40,}", "aaaaaaaaaaaaaaaaaaa"),
    _key("Instagram", r"IG(?:QV|AA)[\w-]{80,}", "igqv", "igaa"),
    _key("Mapbox", r"sk\.eyJ[\w-]{40,}\.[\w-]{20,}", "sk.eyj"),
    _key("Facebook", r"EAA[A-Za-z0-9]{90,}", "eaa"),
    _key("Contentful", r"CFPAT-[\w-]{43}", "cfpat-"),
    _key("HubSpot", rf"pat-(?:na|eu|ap)\d-{_UUID}", "pat-"),
    # A form that many follow: the provider, what it is (of whom, where), and what was drawn at random. What
    # may be shown has the same form, and says so: `pk_`.
    _run(
        "API key",
        r"(?<![\w-])(?!pk[_-]|pub)(?:[A-Za-z0-9]{1,16}[_-]){0,3}"
        r"(?:pat|oat|sk|sec|secret|token|tkn|apikey|live|sa|api)[_-](?:[a-z0-9]{1,8}_)?[A-Za-z0-9][\w-]{19,}",
        "pat_", "pat-", "oat_", "sk_", "sk-", "sec_", "secret_", "secret-", "token_", "token-", "tkn_",
        "apikey_",        "apikey-", "live_", "live-", "sa_", "api_", "api-",
        holds=_is_drawn,
    ),
    # They are so many hexadecimal digits, as trace ids and hashes are: what tells is the context.
    _near("Datadog", r"datadog|\bdd[ _-]", "[0-9a-f]{40}|[0-9a-f]{32}", "datadog", "dd"),
    _near("Azure OpenAI", r"azure|openai|cognitive", _HEX32, "azure", "openai", "cognitive"),
    _near("Weights & Biases", r"wandb|weights", "[0-9a-f]{40}", "wandb", "weights"),
    _near("Mistral", r"mistral", "[a-zA-Z0-9]{32}", "mistral"),
    _near("Cohere", r"cohere", "[a-zA-Z0-9]{40}", "cohere"),
    _near("DeepSeek", r"deepseek", "[a-zA-Z0-9]{32,}", "deepseek"),
    _near("AssemblyAI", r"assembly", _HEX32, "assembly"),
    _near("Deepgram", r"deepgram", "[0-9a-f]{40}", "deepgram"),
    _near("Mailgun", r"mailgun|\bmg[ _-]", "[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}", "mailgun", "mg"),
    _near("fal", r"\bfal\b|fal_", rf"{_UUID}:{_HEX32}", "fal"),
    _near("Ollama", r"ollama", r"[0-9a-f]{32}\.[\w-]{24}", "ollama"),
    _near("Baseten", r"baseten", r"[a-z0-9]{8}\.[a-z0-9]{32}", "baseten"),
    _near("Heroku", r"heroku", _UUID, "heroku"),
    _near("Exa", r"\bexa\b|metaphor", _UUID, "exa", "metaphor"),
    _near("Cloudflare", r"cloudflare|\bcf[ _-]", "[A-Za-z0-9_-]{37,45}", "cloudflare", "cf"),
)  # fmt: skip
