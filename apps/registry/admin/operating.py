"""The way from a button to an operation: one page that says what will happen and asks for a reason, then the deed."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from apps.core.admin import actor_of
from apps.registry import links
from apps.registry.admin.operations import OPERATIONS, Operation, Order, phrase
from apps.registry.models import MAX_WEIGHT, Instance
from xerpium_sdk.wire.registry import Status

__all__ = ["MOST_AT_ONCE", "Operating", "actor_of", "operation_url"]

MOST_AT_ONCE = 500
"""Each operation is a change of its own, some milliseconds long: more would keep the operator waiting in the dark."""

MAY_OPERATE = "registry.change_instance"


def operation_url(operation: str, pks: Sequence[int], back_to: str = "") -> str:
    """Return the address of the page that asks whether to do ``operation`` to instances."""
    query = {"instances": ",".join(str(pk) for pk in pks)} | ({"next": back_to} if back_to else {})
    return f"{reverse('admin:registry_operate', args=[operation])}?{urlencode(query)}"


class AskForm(forms.Form):
    """Why, and for a weight how much."""

    weight = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_WEIGHT,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 0, "max": MAX_WEIGHT, "autofocus": True}),
        help_text=f"0 to {MAX_WEIGHT:,}; 100 is usual, 0 gets calls only when there is nobody else. "
        "Empty: as the service declares.",
    )
    reason = forms.CharField(
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autofocus": True, "placeholder": "such as: kernel update, ticket 4711"}
        ),
        help_text="Kept in the history, with your name.",
    )

    def __init__(self, operation: Operation, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        # The first field has the focus.
        if operation.asks_weight:
            self.fields["reason"].widget.attrs.pop("autofocus")
        else:
            del self.fields["weight"]


class Operating:
    """For admins of services and of instances: the actions of their lists, and the page that asks."""

    admin_site: Any
    model: Any
    message_user: Callable[..., None]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may change what runs, and not only look."""
        return request.user.has_perm(MAY_OPERATE)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the operations named in ``actions`` to those who may operate."""
        if not self.has_operate_permission(request):
            return {}
        names: Sequence[str] = self.actions  # type: ignore[attr-defined]  # the admin class names them
        return {name: (partial(_ask_for, operation=name), name, OPERATIONS[name].verb) for name in names}

    def instances_of(self, queryset: QuerySet[Any]) -> QuerySet[Instance]:
        """Return the instances that are meant by the selected rows."""
        raise NotImplementedError

    def ask(self, request: HttpRequest, queryset: QuerySet[Any], operation: Operation) -> HttpResponse | None:
        """Lead to the page that asks; or say why there is nothing to ask."""
        wanted = self.instances_of(queryset).filter(operation.wanted).order_by("pk")
        pks = list(wanted.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if not pks:
            told = f"{operation.verb} can be done to none of what you selected: nothing was changed."
            self.message_user(request, told, messages.WARNING)
            return None
        if len(pks) > MOST_AT_ONCE:
            told = f"More than {MOST_AT_ONCE} instances: nothing was changed. Select fewer, by a filter for example."
            self.message_user(request, told, messages.ERROR)
            return None
        return HttpResponseRedirect(operation_url(operation.name, pks, request.get_full_path()))

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks, once, below the instances."""
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]  # a mixin of ModelAdmin
        if self.model is not Instance:
            return urls
        view = self.admin_site.admin_view(self.operate)
        return [path("operate/<slug:operation>/", view, name="registry_operate"), *urls]

    def operate(self, request: HttpRequest, operation: str) -> HttpResponse:
        """Ask whether to do it (GET), and do it (POST)."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if operation not in OPERATIONS:
            raise Http404
        chosen = OPERATIONS[operation]
        instances = _instances(request, chosen)
        back = _back(request)
        if not instances:
            told = f"Nothing to do: it has left, is not yours to change, or {chosen.verb.lower()} was done already."
            self.message_user(request, told, messages.INFO)
            return HttpResponseRedirect(back)
        form = AskForm(chosen, request.POST or None)
        if form.is_valid():
            self._carry_out(request, chosen, instances, form.cleaned_data)
            return HttpResponseRedirect(back)
        return self._page_that_asks(request, chosen, instances, form, back)

    def _page_that_asks(
        self, request: HttpRequest, operation: Operation, instances: Sequence[Instance], form: AskForm, back: str
    ) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": operation.verb,
            "operation": operation,
            "sentence": f"This {operation.sentence.format(phrase(instances))}",
            "groups": _groups(instances),
            "pks": ",".join(str(instance.pk) for instance in instances),
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "registry/operate.html", context)

    def _carry_out(
        self, request: HttpRequest, operation: Operation, instances: Sequence[Instance], answer: dict[str, Any]
    ) -> None:
        order = Order(answer["reason"], actor_of(request), timezone.now(), answer.get("weight"))
        count = operation.carry_out(instances, order)
        if not count:
            self.message_user(request, "They have left meanwhile: nothing was changed.", messages.WARNING)
            return
        told = operation.done.format(phrase(instances) if count == len(instances) else f"{count:,} instances")
        if missed := len(instances) - count:
            told += f" {missed:,} had left meanwhile."
        text = format_html("{} {}{}", told, operation.advice, _undo(operation, instances))
        self.message_user(request, text, messages.SUCCESS)

    def show_page(self, request: HttpRequest, object_id: str, page: dict[str, Any]) -> HttpResponse:
        """Answer with a whole page, or with its live part alone where its script asks for that."""
        folder = f"admin/registry/{self.model._meta.model_name}"
        if "X-Live" in request.headers:
            return TemplateResponse(request, f"{folder}/live.html", page)
        return super().change_view(request, object_id, "", page)  # type: ignore[misc,no-any-return]  # a mixin


def _ask_for(admin: Operating, request: HttpRequest, queryset: QuerySet[Any], *, operation: str) -> HttpResponse | None:
    return admin.ask(request, queryset, OPERATIONS[operation])


def _instances(request: HttpRequest, operation: Operation) -> list[Instance]:
    text = request.POST.get("instances") or request.GET.get("instances", "")
    pks = [int(part) for part in text.split(",")[:MOST_AT_ONCE] if part.isdecimal() and len(part) < 19]
    found = Instance.objects.writable().filter(operation.wanted, pk__in=pks).select_related("service")
    return list(found.order_by("service__name", "instance_id"))


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next") or request.GET.get("next", "")
    own = url_has_allowed_host_and_scheme(address, allowed_hosts=None) and address.startswith("/")
    return address if own else links.instances_url()


def _groups(instances: Sequence[Instance]) -> list[dict[str, Any]]:
    """Return the instances by service, and how many others of it take calls now."""
    chosen = {instance.pk for instance in instances}
    services = {instance.service_id: instance.service.name for instance in instances}
    others = Instance.objects.filter(service_id__in=services, status__in=[s for s in Status if s.is_choosable])
    left = Counter(service for pk, service in others.values_list("pk", "service_id") if pk not in chosen)
    return [
        {"name": name, "instances": [i for i in instances if i.service_id == pk], "left": left[pk]}
        for pk, name in services.items()
    ]


def _undo(operation: Operation, instances: Sequence[Instance]) -> str:
    if not operation.undo:
        return ""
    back = OPERATIONS[operation.undo]
    address = operation_url(back.name, [instance.pk for instance in instances])
    return format_html(' <a class="hub-undo" href="{}">{}</a>', address, back.verb)
