"""Lists what gives access, by its form or by what stands around it in a text, as data.

Bearer: RFC 6750, Basic: RFC 7617, JWT: RFC 7519 and 7516, PEM: RFC 7468, netrc: GNU inetutils' manual,
cookies: RFC 6265, password hashes: crypt(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Final

from .assigned import ASSIGNED
from .names import is_basic, is_made_up
from .providers import FORMS
from .rule import BEGIN_OF_KEY, END_OF_KEY, MARKER, Found, Rule, pattern
from .shapes import SHAPES
from .values import is_no_secret

_ANY_CASE: Final = re.ASCII | re.IGNORECASE
_LINES: Final = re.ASCII | re.MULTILINE


def _has_digit(text: str) -> bool:
    return len(text) >= 40 or any(character.isdigit() for character in text)


def _is_jwt(text: str) -> bool:
    """Its header says how it is signed or encrypted."""
    header = text.split(".", 1)[0][:4096]
    try:
        said = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "alg" in said


def _is_token(text: str) -> bool:
    return is_made_up(text, 16)


def _is_typed(text: str) -> bool:
    """Whether a word behind "the password is" looks like one."""
    return is_made_up(text.rstrip(".,;:!?"), 6)


def _is_password(text: str) -> bool:
    """Whether what is in a password's place is one: `${PASS}`, `password` and `***` say where it goes."""
    return text.lower() not in ("pass", "passwd") and not is_no_secret(text, "password")


def _has_password(text: str) -> bool:
    return _is_password(text.partition(":")[2])


# Of an authorization: `username="bob"`.
_PARAMETER: Final = r"[\w-]{1,40}=(?:\\?\"[^\"\r\n]*\"|[^\s,\"';]{1,2000})"
# Between the arguments of a command, or of a list of them as a program shows it: `['sshpass', '-p', 'x']`.
_NEXT: Final = r"(?:[ \t]+|[\"'],[ \t]?[\"'])"


def _of(programs: str, rule: Rule, within: int = 200) -> Rule:
    """A rule that holds on such a program's command line alone, so many characters from its name at most."""
    program = re.compile(rf"(?<![\w.-])(?:{programs})(?=[ \t\"']|\\\r?\n)", _ANY_CASE)

    def find(text: str) -> Iterator[Found]:
        upcoming = program.finditer(text)
        begins, after = -1, next(upcoming, None)
        if after is None:
            return
        for found in rule.find(text):
            while after is not None and after.end() < found.begin:
                begins, after = after.end(), next(upcoming, None)
            if 0 <= begins >= found.begin - within and not _ENDS_COMMAND.search(text, begins, found.begin):
                yield found

    return rule._replace(find=find)


_ENDS_COMMAND: Final = re.compile(r"[|;]|(?<![\\\r])\r?\n")


def _after(programs: str, option: str, *hints: str) -> Rule:
    """A password that a program takes as an option whose name doesn't tell: `sshpass -p hunter2`."""
    given = rf"(?<=[ \t\"']){option}[\"']?(?P<it>[^\s\"'$<-][^\s\"']*)"
    return _of(programs, pattern("password", given, *hints))


RULES: Final[tuple[Rule, ...]] = (
    pattern(
        "private key",
        # A sentence may name the line that such a key begins with, and a program have it as a constant.
        rf"{BEGIN_OF_KEY}" r"(?!`?[ \t,.;:)]+[a-z]{2,}[ \t.,])"
        r"(?![\"'`](?![ \t\r\n]{0,20}[,+]?[ \t\r\n]{0,20}[bru]?[\"'`][A-Za-z0-9+/=]{16})).*?"
        rf"(?:{END_OF_KEY}|\Z)",
        "private key",
        flags=re.ASCII | re.DOTALL,
    ),
    pattern("private key", r"Private-Lines: \d{1,4}\r?\n(?P<it>(?:[A-Za-z0-9+/=]{1,80}(?:\r?\n|\Z))+)",
            "private-lines"),
    # Both may hold an `@` that should have been quoted: the last one ends them.
    pattern(
        "credentials",
        rf"(?<=://)(?:{MARKER}|[^\s/?#:\"'`<>])*:(?:{MARKER}|[^\s/?#\"'`<>])+(?=@)",
        "://",
        holds=_has_password,
    ),
    # Databases are given passwords with a `#` in them, and don't mind.
    pattern("credentials", r"(?<!http://)(?<!https://)(?<=://)[^\s/?#:\"'`<>@]*:[^\s/\"'`<>@]+"
            r"(?=@[\w.-]+(?:[:/\s]|\Z))",
            "://", holds=_has_password),
    pattern("credentials", r"(?:oracle:thin:|\bsqlplus[ \t]+)\w[^\s/:@]{0,60}/(?P<it>[^\s/@]+)(?=@)",
            "oracle:thin", "sqlplus", flags=_ANY_CASE),
    pattern("credentials", r"(?<=://)[\w.~%-]{16,}(?=@)", "://", holds=_is_token),
    # What signs a URL, or stands in it for a person, opens what it leads to.
    pattern(
        "token",
        r"(?<=[?&])(?:x-(?:amz|goog)-)?(?:sig|signature|token|x-amz-security-token)=(?P<it>[^\s&#\"'`<>\[\]]{8,})",
        "sig=",
        "signature=",
        "token=",
        flags=_ANY_CASE,
    ),
    pattern("API key", r"(?<=[?&])(?:key|appid|code|apikey)=(?P<it>[\w.~%-]{16,})", "key=", "appid=", "code=",
            flags=_ANY_CASE, holds=_is_token),
    # Of commands
    _of("curl|https?|xh|wget", pattern(
        "password",
        rf"(?<=[ \t\"'])(?:-u|--user|-U|--proxy-user|-a|--auth)(?:{_NEXT}|=)"
        r"\\?[\"']?[^\s:\"'$]{1,200}:(?P<it>[^\s\"'$\\]+)",
        "-u", "--user", "--proxy-user", "-a", "--auth",
        holds=_is_password,
    ), within=400),
    _after("mysql|mysqldump|mysqladmin|mariadb|7z|7za", "-p", "-p"),
    _after(r"(?:docker|podman|oc|az)[ \t]+login", rf"-p{_NEXT}", "-p"),
    _after("sshpass|mongo|mongosh|mongodump|twine|influx", rf"-p{_NEXT}", "-p"),
    _after("redis-cli", rf"-a{_NEXT}", "redis-cli"),
    _after("ldapsearch|ldapadd|ldapmodify|ldapwhoami", rf"-w{_NEXT}", "-w"),
    _after("sqlcmd|mosquitto_pub|mosquitto_sub|zip|unzip", rf"-P{_NEXT}", "-p"),
    _after("htpasswd", r"-\w{0,6}b\w{0,6}[ \t]+(?:-\w{1,8}[ \t]+){0,4}[^\s-]\S*[ \t]+\S+[ \t]+", "htpasswd"),
    _after("smbclient|rpcclient|mount", r"-U[ \t]+[^\s%]+%", "%"),
    pattern("password", r"(?<![\w-])-pass(?:in|out)?[ \t]+[\"']?pass:(?P<it>[^\s\"']+)", "pass:"),
    pattern("password", r"ConvertTo-SecureString[ \t]+(?:-String[ \t]+)?[\"'](?P<it>[^\"'\r\n]+)",
            "securestring", flags=_ANY_CASE),
    pattern("password", r"(?<![\w/])/(?:pass|password|pwd):(?P<it>[^\s\"']+)", "/pass", "/pwd",
            flags=_ANY_CASE),
    pattern(
        "secret",
        r"\becho[ \t]+(?:-n[ \t]+)?[\"']?(?P<it>[^\s\"'|$]+)[\"']?[ \t]*\|"
        r"[^\r\n]{0,120}?(?:--password-stdin|--with-token)",
        "--password-stdin",
        "--with-token",
    ),
    pattern("password", r"\becho[ \t]+(?:-n[ \t]+)?[\"']?[\w.-]{1,64}:(?P<it>[^\s\"'|$]+)"
            r"[\"']?[ \t]*\|[^\r\n]{0,80}?chpasswd", "chpasswd"),
    pattern("password", r"\bnet[ \t]+user[ \t]+[^\s/]\S*[ \t]+(?P<it>[^\s/*]\S*)", "net ", flags=_ANY_CASE),
    # Of what keeps secrets: `gh secret set NAME --body x`, `aws secretsmanager … --secret-string x`
    _of("secret|secrets|secretsmanager", pattern(
        "secret",
        r"(?<=[ \t])(?:--body|--value|--secret-string|-b|-v)(?:[ \t]{1,3}|=)[\"']?"
        r"(?P<it>[^\s\"'$<-][^\s\"']*)",
        "--body", "--value", "--secret-string", " -b ", " -v ",
    )),
    pattern("token", r"(?:add-)?authtoken[ \t]+(?P<it>\w{16,})", "authtoken", holds=_is_token),
    # A user and a password beside each other: `auth=("bob", "x")`, `HTTPBasicAuth('bob', 'x')`
    pattern(
        "password",
        r"(?:auth|login|credentials?)(?:[ \t]{0,4}[=:][ \t]{0,4})?[(\[][ \t]{0,4}[\"'][^\"'\r\n]{1,200}[\"'],"
        r"[ \t]{0,4}[\"'](?P<it>[^\"'\r\n]{1,200})[\"'][ \t]{0,4}[)\]]",
        "auth", "login", "credential",
        flags=_ANY_CASE,
        holds=_is_password,
    ),
    # Of files
    pattern(
        "password",
        r"\b(?:machine[ \t]+(?:localhost|\S*[.\d]\S*)|default)\s+login\s+\S+\s+(?:account\s+\S+\s+)?"
        r"password\s+(?P<it>\S+)",
        "machine",
        "default",
    ),
    pattern("password", r"^[\w.*-]+:(?:543\d|\*):[^:\s]+:[^:\s]+:(?P<it>\S+)$", ":543", ":*:", flags=_LINES),
    pattern("password hash", r"\$(?:2[abxy]?|5|6|y|gy|7|apr1|argon2[id]{1,2})\$[\w./$=,+-]{20,}", "$"),
    # Of databases
    pattern(
        "password",
        r"\b(?:identified[ \t]+(?:with[ \t]+\w+[ \t]+)?by|password)[ \t]*"
        r"(?:(?<=[ \t])password[ \t]+|(?:=[ \t]*password)?[ \t]*\([ \t]*|(?<=[ \t]))"
        r"N?'(?P<it>[^'\r\n]{1,200})'",
        "identified",
        "password",
        flags=_ANY_CASE,
    ),
    pattern("password", r"\bidentified[ \t]+by[ \t]+(?P<it>[^\s\"':;(]{6,200}?)(?=;|\s|\Z)", "identified",
            flags=_ANY_CASE, holds=_is_typed),
    *SHAPES,
    # Schemes whose credentials are a list, of which a part is secret: Digest, Hawk, OAuth 1, AWS's.
    pattern(
        "authorization",
        r"authorization\\{0,7}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,7}[\"']?[A-Za-z][\w-]{1,30}[ \t]+"
        rf"(?P<it>{_PARAMETER}(?:,?[ \t]*{_PARAMETER})+)",
        "authorization",
        flags=_ANY_CASE,
    ),
    # Before what is said of a key by its name: a provider's form says more.
    *FORMS,
    ASSIGNED,
    # Of HTTP
    pattern(
        "cookie",
        r"(?<![a-z0-9])cookies?\\{0,7}[\"']?[ \t]{0,20}[:=][ \t]{0,20}\\{0,7}[\"']?"
        r"(?P<it>[\w.-]{1,256}=[^\r\n\"']*)",
        "cookie",
        flags=_ANY_CASE,
    ),
    pattern("cookie", r"(?:--cookie|(?<=[ \t])-b)(?:[ \t]{1,3}|=)[\"']?(?P<it>[\w.-]{1,256}=[^\r\n\"']+)",
            "--cookie", " -b ", flags=_ANY_CASE),
    pattern(
        "cookie",
        r"(?<![\w-])(?:(?:\w{1,30}_)?session(?:_?id|_token)?|sessid|phpsessid|jsessionid|connect\.sid|asp\.net_sessionid"
        r"|csrftoken|xsrf-token|sid|auth_session|__(?:secure|host)-[\w.-]{1,60})=(?P<it>[\w%.+/=~:-]{16,})",
        "sess",
        "sid=",
        "csrf",
        "xsrf",
        "__secure-",
        "__host-",
        flags=_ANY_CASE,
        holds=_has_digit,
    ),
    pattern(
        "bearer token",
        r"\bbearer[ \t]{1,20}(?:token[ \t:=]{1,4})?(?P<it>[A-Za-z0-9._~+/=-]{8,})",
        "bearer",
        flags=_ANY_CASE,
        holds=_has_digit,
    ),
    pattern(
        "basic credentials",
        r"\bbasic[ \t]{1,20}(?P<it>[A-Za-z0-9+/]{4,}={0,2})",
        "basic",
        flags=_ANY_CASE,
        holds=is_basic,
    ),
    pattern("JWT", r"(?<![\w-])eyJ[\w-]{10,}(?:\.[\w-]*){2,4}", ".", holds=_is_jwt),
    # Of sentences
    pattern(
        "password",
        r"\b(?:password|passphrase|passcode|pwd)[ \t]+(?:is|was)(?:[ \t]+now)?:?[ \t]+"
        r"[\"'`]?(?P<it>[^\s\"'`<>\[\]]{6,})",
        "password",
        "passphrase",
        "passcode",
        "pwd",
        flags=_ANY_CASE,
        holds=_is_typed,
    ),
)  # fmt: skip
