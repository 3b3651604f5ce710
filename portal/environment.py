"""Typed readers for the environment: the only place where the portal looks at it.

Every variable carries the prefix `PORTAL_`; a reader takes the name with or without it. A
variable that is set but empty counts as unset. Nonsense raises `ImproperlyConfigured` with a
message that names the variable, so that a start fails instead of running on a guess.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from portal.database.place import ROLES, Place

PREFIX = "PORTAL_"
YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})

DatabaseSettings = dict[str, object]


def _variable(name: str) -> str:
    return name if name.startswith(PREFIX) else PREFIX + name


def _raw(variable: str) -> str | None:
    return os.environ.get(variable) or None


def _missing(variable: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{variable} is not set and has no default.")


def preset(name: str, value: str) -> None:
    """What the processes started from here read where nobody has set the variable."""
    if _raw(_variable(name)) is None:
        os.environ[_variable(name)] = value


def text(name: str, default: str | None = None) -> str:
    """The variable as it stands, or `default`; `None` as default makes it required."""
    variable = _variable(name)
    value = _raw(variable)
    if value is not None:
        return value
    if default is None:
        raise _missing(variable)
    return default


def secret(name: str, default: str | None = None) -> str:
    """The variable, or the first line of the file that its `_FILE` twin names, or `default`.

    Both set at once is refused: nobody could say which of the two is meant.
    """
    variable = _variable(name)
    value, file = _raw(variable), _raw(variable + "_FILE")
    if value is not None and file is not None:
        raise ImproperlyConfigured(f"{variable} and {variable}_FILE are both set; keep one.")
    if file is not None:
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{variable}_FILE can't be read: {error}") from error
        if not lines or not lines[0].strip():
            raise ImproperlyConfigured(f"{variable}_FILE names {file}, which is empty.")
        return lines[0].strip()
    return text(variable, default)


def factory(name: str) -> str:
    """`package.module:name` of something that is called without arguments, or nothing."""
    variable = _variable(name)
    value = _raw(variable) or ""
    module, _, callable_name = value.partition(":")
    parts = [*module.split("."), callable_name]
    if value and not all(part.isidentifier() for part in parts):
        raise ImproperlyConfigured(f"{variable} is {value!r}; write package.module:factory.")
    return value


def flag(name: str, default: bool = False) -> bool:
    """1, true, yes, on / 0, false, no, off, in any case."""
    variable = _variable(name)
    value = _raw(variable)
    if value is None:
        return default
    word = value.strip().lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise ImproperlyConfigured(f"{variable} is {value!r}; write yes or no.")


def number(
    name: str,
    default: int | None = None,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
) -> int:
    """A whole number, inside the bounds when they are given."""
    variable = _variable(name)
    value = _raw(variable)
    if value is None:
        if default is None:
            raise _missing(variable)
        return default
    try:
        result = int(value.strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} is {value!r}; write a whole number.") from error
    if minimum is not None and result < minimum:
        raise ImproperlyConfigured(f"{variable} is {result}; it must be at least {minimum}.")
    if maximum is not None and result > maximum:
        raise ImproperlyConfigured(f"{variable} is {result}; it must be at most {maximum}.")
    return result


def path(name: str, default: Path | str | None = None) -> Path:
    """An absolute path; `~` is expanded, a relative one counts from the working directory."""
    variable = _variable(name)
    value = _raw(variable)
    if value is None:
        if default is None:
            raise _missing(variable)
        value = str(default)
    return Path(value).expanduser().absolute()


def items(name: str, default: Sequence[str] = ()) -> list[str]:
    """A list separated by commas; blanks around an entry and empty entries are dropped."""
    value = _raw(_variable(name))
    if value is None:
        return list(default)
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def url(name: str, default: str | None = None, *, schemes: Sequence[str] = ()) -> str:
    """An address; refused when its scheme is missing or not among `schemes`.

    Reads a `_FILE` twin too, since an address may carry a password. The message never shows
    the value for the same reason.
    """
    variable = _variable(name)
    value = secret(variable, default)
    _split(variable, value, schemes)
    return value


def _split(variable: str, value: str, schemes: Sequence[str]) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} is not an address: {error}") from error
    if not parts.scheme or (schemes and parts.scheme not in schemes):
        expected = " or ".join(f"{scheme}://" for scheme in schemes) or "a scheme such as https://"
        raise ImproperlyConfigured(f"{variable} must start with {expected}.")
    return parts


def data_dir(base: Path) -> Path:
    """Where all state lives: PORTAL_DATA_DIR, else `.data` in `base`."""
    return path("DATA_DIR", base / ".data")


def secret_key(data_dir: Path) -> str:
    """PORTAL_SECRET_KEY (or its `_FILE` twin), else the key kept in the data folder.

    The first caller makes it (0600). Two that start together end up with the same one, because
    linking a finished file into place fails for the second.
    """
    given = secret("SECRET_KEY", "")
    if given:
        return given
    file = data_dir / "secret.key"
    try:
        if not file.exists():
            _make_key(file)
        key = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"the data folder {data_dir} can't be used ({error}): set PORTAL_DATA_DIR to one that "
            "this user can write to."
        ) from error
    if not key:
        raise ImproperlyConfigured(f"{file} is empty; delete it to have a new key made.")
    return key


def _make_key(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, new = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(48) + "\n")
    with contextlib.suppress(FileExistsError):
        os.link(new, file)
    Path(new).unlink()


def database(name: str) -> DatabaseSettings | None:
    """One entry of DATABASES from `postgresql://user:password@host:port/name?option=value`.

    The host may be a socket folder, as `?host=/folder`. Everything else behind the question mark
    goes to libpq as it is (sslmode, passfile, connect_timeout …). None when the variable is unset.
    """
    variable = _variable(name)
    value = secret(variable, "")
    if not value:
        return None
    parts = _split(variable, value, ("postgresql", "postgres"))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    base = unquote(parts.path.lstrip("/"))
    if not base:
        raise ImproperlyConfigured(f"{variable} names no database.")
    if not parts.username:
        raise ImproperlyConfigured(f"{variable} names no user.")
    return _entry(
        name=base,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        host=host,
        port=options.pop("port", "") or str(parts.port or ""),
        options=options,
    )


def _entry(
    *, name: str, user: str, password: str, host: str, port: str, options: Mapping[str, str]
) -> DatabaseSettings:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": dict(options),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def uses_local_database() -> bool:
    """Whether none of the database addresses is set."""
    names = ("DATABASE_URL", "DATABASE_OPERATOR_URL", "DATABASE_OWNER_URL")
    return not any(_raw(PREFIX + name + suffix) for name in names for suffix in ("", "_FILE"))


def databases(data_dir: Path) -> dict[str, DatabaseSettings]:
    """DATABASES for the aliases default, operator and owner.

    All three from PORTAL_DATABASE_URL, PORTAL_DATABASE_OPERATOR_URL and PORTAL_DATABASE_OWNER_URL,
    or all three from the local cluster of `data_dir`. Only PORTAL_DATABASE_OWNER_URL may be absent
    beside the others (a web host needs no right to migrate). The passwords of a local cluster are
    read by libpq at each connection, so this can be called before the cluster exists.
    """
    variables = {alias: f"{PREFIX}DATABASE_{alias.upper()}_URL" for alias in ("operator", "owner")}
    variables["default"] = f"{PREFIX}DATABASE_URL"
    given = {alias: database(variables[alias]) for alias in ("default", "operator", "owner")}
    found = {alias: entry for alias, entry in given.items() if entry is not None}
    if not found:
        return _local(Place.of(data_dir))
    for alias in ("default", "operator"):
        if alias not in found:
            raise ImproperlyConfigured(
                f"{variables[alias]} is not set, but another database address is: set "
                f"{variables['default']} and {variables['operator']} together, or none of them."
            )
    return found


def _local(place: Place) -> dict[str, DatabaseSettings]:
    return {
        alias: _entry(
            name=place.database,
            user=role,
            password="",
            host=str(place.socket),
            port="",
            options={"passfile": str(place.passfile(role))},
        )
        for alias, role in ROLES.items()
    }
