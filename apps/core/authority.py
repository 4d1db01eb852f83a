"""What a caller may ask of a route: the scope that its verb needs, and for operators the permissions that stand for it.

Closed by default: a view that names no scope for a verb lets nobody use it (docs/decisions/0022).
"""

from typing import TYPE_CHECKING, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.access import Principal
from apps.core.errors import InsufficientScope, NotAllowed
from apps.core.scopes import ANY_CALLER, operator_grant, operator_permissions

if TYPE_CHECKING:
    from rest_framework.views import APIView

__all__ = ["MayUse", "scope_needed", "verb_of"]


def verb_of(method: str) -> str:
    """Return the verb by which a view declares what ``method`` needs: HEAD is GET."""
    return "get" if method == "HEAD" else method.lower()


def scope_needed(view: "APIView", method: str) -> str | None:
    """Return the scope that ``view`` declares for ``method``; None when it declares none."""
    scopes: dict[str, str] = getattr(view, "scopes", {})
    return scopes.get(verb_of(method))


class MayUse(BasePermission):
    """Lets a caller through whose token, or whose role, is good for what the verb does."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether anybody is asking; nobody gets a 401.

        Raises:
            InsufficientScope: its token is not good for this.
            NotAllowed: the operator lacks a permission, or the route is open to nobody.
        """
        caller = cast("Principal | None", request.user)
        if caller is None:
            return False
        method = str(request.method)
        verb = verb_of(method)
        if method == "OPTIONS" or verb not in view.http_method_names or getattr(view, verb, None) is None:
            return True  # nothing is done: the view says which verbs it knows
        scope = scope_needed(view, method)
        if scope is None:
            raise NotAllowed("This address is closed: it does not say who may use it.", code="closed")
        if scope != ANY_CALLER:
            _require(caller, scope, getattr(view, "area", ""))
        return True


def _require(caller: Principal, scope: str, area: str) -> None:
    if caller.kind != "operator":
        if not caller.may(scope):
            raise InsufficientScope(scope)
    elif not caller.may(operator_grant(scope, area)):
        needed = " and ".join(operator_permissions(scope, area)) or "of a superuser"
        raise NotAllowed(f"Your account lacks the permission {needed}.", code="permission_missing")
