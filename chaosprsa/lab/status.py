"""Refusals in the API's own form: the Status object, with Kubernetes' reasons and wording."""

from typing import Any

from chaosprsa.errors import ChaosPrsaError

REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
}


class StatusError(ChaosPrsaError):
    """The API says no; `code` is the HTTP status, `body` the Status object that a client sees."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or REASONS.get(code, "Unknown")
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


def not_found(resource: str, name: str, group: str = "") -> StatusError:
    """404 for one object; `resource` is the plural."""
    shown = f"{resource}.{group}" if group else resource
    return StatusError(404, f'{shown} "{name}" not found', details=_details(resource, name, group))


def already_exists(resource: str, name: str, group: str = "") -> StatusError:
    """409 for a name that is taken."""
    shown = f"{resource}.{group}" if group else resource
    message = f'{shown} "{name}" already exists'
    return StatusError(409, message, reason="AlreadyExists", details=_details(resource, name, group))


def conflict(resource: str, name: str, group: str, why: str) -> StatusError:
    """409 for a change of what has changed meanwhile."""
    shown = f"{resource}.{group}" if group else resource
    message = f'Operation cannot be fulfilled on {shown} "{name}": {why}'
    return StatusError(409, message, details=_details(resource, name, group))


def forbidden(resource: str, name: str, why: str, group: str = "") -> StatusError:
    """403: a quota, a namespace that is going away."""
    shown = f"{resource}.{group}" if group else resource
    return StatusError(403, f'{shown} "{name}" is forbidden: {why}', details=_details(resource, name, group))


def invalid(kind: str, name: str, group: str, causes: list[tuple[str, str]]) -> StatusError:
    """422; causes: (field path, message such as 'Required value')."""
    shown = f"{kind}.{group}" if group else kind
    told = [f"{field}: {message}" for field, message in causes]
    message = f'{shown} "{name}" is invalid: ' + (told[0] if len(told) == 1 else f"[{', '.join(told)}]")
    listed = [{"reason": _cause(text), "message": text, "field": field} for field, text in causes]
    return StatusError(422, message, details=_details(kind, name, group) | {"causes": listed})


def bad_request(message: str) -> StatusError:
    """400: what can't be understood."""
    return StatusError(400, message)


def no_such_path() -> StatusError:
    """What is not served here."""
    return StatusError(404, "the server could not find the requested resource", details={})


def _details(kind: str, name: str, group: str) -> dict[str, Any]:
    return {"name": name, **({"group": group} if group else {}), "kind": kind}


def _cause(message: str) -> str:
    known = {
        "Required value": "FieldValueRequired",
        "Invalid value": "FieldValueInvalid",
        "Forbidden": "FieldValueForbidden",
        "Unsupported value": "FieldValueNotSupported",
        "Duplicate value": "FieldValueDuplicate",
    }
    return next((reason for start, reason in known.items() if message.startswith(start)), "FieldValueInvalid")
