"""Connection strings, taken apart and put together without SQLAlchemy.

dlt uses SQLAlchemy for both wherever it is installed, and its own port of the same functions elsewhere. The port does
the same, and spares a load the import.
"""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import ConnectionStringCredentials
from dlt.common.configuration.specs.exceptions import InvalidConnectionString
from dlt.common.configuration.utils import serialize_value
from dlt.common.libs.sql_alchemy_shims import URL, make_url


@configspec(init=False)
class PortedConnectionString(ConnectionStringCredentials):
    """Credentials that use dlt's port. As a base of a class, it comes after dlt's own."""

    def parse_native_representation(self, native_value: Any) -> None:
        """Takes over what the connection string says."""
        if not isinstance(native_value, str):
            raise InvalidConnectionString(type(self), native_value, self.drivername)
        try:
            url = make_url(native_value)
        except ValueError:  # its message may quote the string, and with it the password
            raise InvalidConnectionString(type(self), native_value, self.drivername) from None
        self.update({name: value for name, value in url._asdict().items() if value is not None})
        self.query = dict(url.query)  # the URL's own cannot be changed

    def to_url(self) -> URL:
        """The credentials as a URL."""
        query: dict[str, Any] = {
            name: None if value is None else serialize_value(value) for name, value in self.get_query().items()
        }
        return URL.create(self.drivername, self.username, self.password, self.host, self.port, self.database, query)
