"""Roles in the admin: what a name stands for, and who may what in which company."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core.admin import actor_of
from apps.core.errors import FieldError
from apps.core.look import ago_html
from apps.core.tenancy.models import required_scope
from apps.serviceauth import services
from apps.serviceauth.models import Role, RoleAssignment
from apps.serviceauth.selectors import company_names
from apps.serviceauth.services.roles import assignment_faults, role_faults

MOST_CHIPS = 4


def chips(patterns: Iterable[str]) -> SafeString:
    """Return permissions, the first few of them, each in a box of its own."""
    all_of_them = list(patterns)
    shown = format_html_join(
        " ", '<span class="hub-tag hub-mono" title="{0}">{0}</span>', ((p,) for p in all_of_them[:MOST_CHIPS])
    )
    more = len(all_of_them) - MOST_CHIPS
    return shown if more <= 0 else format_html('{} <span class="hub-quiet">and {} more</span>', shown, more)


def where(company_id: int | None, names: dict[int, str] | None = None) -> str:
    """Return a company in words, by its name where it is known."""
    if company_id is None:
        return "all companies"
    name = (company_names([company_id]) if names is None else names).get(company_id)
    return f"{name} ({company_id})" if name else f"company {company_id}"


def _tell(form: forms.BaseForm, faults: Iterable[FieldError]) -> None:
    """Put what a service would complain about beside the fields."""
    for fault in faults:
        name = fault.pointer.removeprefix("/")
        form.add_error(name if name in form.fields else None, fault.message)


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A role; its permissions one on a line."""

    permissions = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="One on a line: product.view, everything of products as product.*, or * for everything.",
    )

    class Meta:
        model = Role
        fields = ("name", "company_id", "permissions", "description")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial["permissions"] = "\n".join(self.instance.permissions)

    def clean_permissions(self) -> list[str]:
        """Return the patterns, each once."""
        return sorted({line.strip() for line in self.cleaned_data["permissions"].splitlines() if line.strip()})

    def clean(self) -> dict[str, Any]:
        """Say what the service would refuse."""
        super().clean()
        known = self.cleaned_data
        is_new = not self.instance.pk
        _tell(
            self,
            role_faults(
                name=known.get("name", "x"),
                permissions=known.get("permissions", ["x"]),
                company_id=known.get("company_id") if is_new else self.instance.company_id,
                is_new=is_new,
            ),
        )
        return known


@admin.register(Role)
class RoleAdmin(ModelAdmin):
    """What a name stands for. A role of all companies is changed by who acts for all of them."""

    form = RoleForm
    list_display = ("name", "of_company", "what", "people")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name", "description")
    search_help_text = "Part of its name or description"
    ordering = ("name", "company_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        """Return the roles in sight, with how many people have them."""
        roles: QuerySet[Role] = super().get_queryset(request)
        return roles.annotate(holders=Count("assignments__user_id", distinct=True))

    def get_fields(self, request: HttpRequest, obj: Role | None = None) -> tuple[str, ...]:
        """Return what is shown of a role; how many people have it once there is one."""
        return ("name", "company_id", "permissions", "description", *(("people",) if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> tuple[str, ...]:
        """A role keeps its company."""
        return ("company_id", "people") if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Whether it is this operator's to change."""
        return bool(super().has_change_permission(request, obj)) and _is_writable(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Whether it is this operator's to delete."""
        return bool(super().has_delete_permission(request, obj)) and _is_writable(obj)

    def save_model(self, request: HttpRequest, obj: Role, form: RoleForm, change: bool) -> None:
        """Make or change it by the service, which writes it down and revokes what is lost."""
        saved = services.role_save(
            role=Role.objects.get(pk=obj.pk) if change else None,
            name=obj.name,
            company_id=obj.company_id,
            permissions=obj.permissions,
            description=obj.description,
            actor=actor_of(request),
            now=timezone.now(),
        )
        obj.pk, obj._state.adding = saved.pk, False

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        """Delete it by the service."""
        services.role_delete(role=obj, actor=actor_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Role]) -> None:
        """Delete those that were chosen, one by one."""
        for role in queryset:
            self.delete_model(request, role)

    @admin.display(description="Of", ordering="company_id")
    def of_company(self, role: Role) -> str:
        """Whose role it is."""
        return where(role.company_id)

    @admin.display(description="Permissions")
    def what(self, role: Role) -> SafeString:
        """What it gives."""
        return chips(role.permissions)

    @admin.display(description="People")
    def people(self, role: Any) -> SafeString:
        """How many have it, with the way to the list."""
        address = f"{reverse('admin:serviceauth_roleassignment_changelist')}?role__id__exact={role.pk}"
        return format_html('<a class="hub-link" href="{}">{}</a>', address, f"{role.holders:,}")


class AssignmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Gives a person a role. Its fields are made at each request, when it is known whose roles to offer."""

    def clean(self) -> dict[str, Any]:
        """Say what the service would refuse."""
        super().clean()
        known = self.cleaned_data
        if known.get("role") and known.get("user_id") is not None and "company_id" in known:
            _tell(self, assignment_faults(known["role"], known["user_id"], known["company_id"]))
        return known


class Assignments(ChangeList):
    """A page of who has what, and the same drawn as a table of people and companies."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and the names of its companies with one query."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = {row.company_id for row in self.result_list}
        names = dict(company_names(number for number in found if number is not None))
        for row in self.result_list:
            row.where = where(row.company_id, names)
        self.columns = sorted(found, key=lambda number: (number is not None, number or 0))
        self.headings = [where(number, names) for number in self.columns]

    @property
    def people(self) -> list[tuple[int, list[list[RoleAssignment]]]]:
        """Each person of this page, with what they have in each of its companies."""
        given: dict[int, dict[int | None, list[RoleAssignment]]] = {}
        for row in self.result_list:
            given.setdefault(row.user_id, {}).setdefault(row.company_id, []).append(row)
        return [(person, [cells.get(number, []) for number in self.columns]) for person, cells in given.items()]


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(ModelAdmin):
    """Who may what in which company. A role is given and taken, not changed."""

    form = AssignmentForm
    fields = ("user_id", "role", "company_id")
    list_display = ("person", "in_company", "role_link", "what", "since", "created_by")
    list_display_links = None
    list_filter = (("role", admin.RelatedOnlyFieldListFilter), "company_id")
    list_per_page = 50
    list_select_related = ("role",)
    list_before_template = "serviceauth/who_may_what.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("=user_id", "role__name")
    search_help_text = "Number of a person, or part of a role's name"
    ordering = ("user_id", "company_id", "role__name")
    sortable_by: tuple[str, ...] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return Assignments

    def has_change_permission(self, request: HttpRequest, obj: RoleAssignment | None = None) -> bool:
        """Nobody: what was given is taken, and something else given."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RoleAssignment | None = None) -> bool:
        """Whether it is this operator's to take."""
        return bool(super().has_delete_permission(request, obj)) and _is_writable(obj)

    def save_model(self, request: HttpRequest, obj: RoleAssignment, form: AssignmentForm, change: bool) -> None:
        """Give it by the service."""
        given = services.role_assign(
            role=obj.role, user_id=obj.user_id, company_id=obj.company_id, actor=actor_of(request)
        )
        obj.pk, obj._state.adding = given.pk, False

    def delete_model(self, request: HttpRequest, obj: RoleAssignment) -> None:
        """Take it by the service."""
        services.role_unassign(assignment=obj, actor=actor_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RoleAssignment]) -> None:
        """Take those that were chosen, one by one."""
        for assignment in queryset:
            self.delete_model(request, assignment)

    @admin.display(description="Person")
    def person(self, assignment: RoleAssignment) -> SafeString:
        """Who, with the way to everything that they have."""
        address = f"{reverse('admin:serviceauth_roleassignment_changelist')}?q={assignment.user_id}"
        return format_html('<a class="hub-link hub-mono" href="{}">{}</a>', address, assignment.user_id)

    @admin.display(description="In")
    def in_company(self, assignment: Any) -> str:
        """Where it counts."""
        return str(assignment.where)

    @admin.display(description="Role")
    def role_link(self, assignment: RoleAssignment) -> SafeString:
        """Which role."""
        address = reverse("admin:serviceauth_role_change", args=[assignment.role_id])
        return format_html('<a class="hub-link hub-name" href="{}">{}</a>', address, assignment.role.name)

    @admin.display(description="Permissions")
    def what(self, assignment: RoleAssignment) -> SafeString:
        """What it gives."""
        return chips(assignment.role.permissions)

    @admin.display(description="Since")
    def since(self, assignment: RoleAssignment) -> SafeString:
        """Since when."""
        return ago_html(assignment.created_at, timezone.now())


def _is_writable(row: Role | RoleAssignment | None) -> bool:
    return row is None or required_scope(type(row)).writes(row.company_id)
