"""Reading input: bodies and query parameters into plain dicts of checked values, with every fault named at once."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from apps.core.errors import InvalidInput
from apps.core.names import is_service_name
from apps.core.pointers import WHOLE, faults, query_faults

AnyField = serializers.Field[Any, Any, Any, Any]

# The JSON types that a field of each kind takes; the first class in a field's ancestry decides. What is not listed
# judges for itself. The REST framework alone would read "1", 1.0 and true as the integer 1.
_JSON_TYPES: dict[type[AnyField], frozenset[type]] = {
    serializers.BooleanField: frozenset({bool}),
    serializers.IntegerField: frozenset({int}),
    serializers.FloatField: frozenset({int, float}),
    serializers.DecimalField: frozenset({int, float, str}),
    serializers.CharField: frozenset({str}),
    serializers.ChoiceField: frozenset({str}),
    serializers.UUIDField: frozenset({str}),
    serializers.DateTimeField: frozenset({str}),
    serializers.DateField: frozenset({str}),
    serializers.TimeField: frozenset({str}),
    serializers.DurationField: frozenset({str}),
}
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class StrictSerializer(serializers.Serializer[Any]):
    """Base of all serializers that read a body.

    Values must have the JSON type of their field (no ``"1"`` for 1); a field that is not declared is refused with the
    code ``unknown_field``; ``null`` in an optional field means that it is absent.
    """

    @classmethod
    def read(cls, data: Any, *, partial: bool = False) -> dict[str, Any]:
        """Return the checked values of ``data``; ``partial`` makes every field optional, as PATCH wants.

        Raises:
            InvalidInput: with a pointer for every fault.
        """
        return _checked(_instance(cls, partial), data)

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values, or raise with the faults of all fields."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        wrong: dict[str, Any] = {}
        usable: dict[str, Any] = {}
        for name, value in data.items():
            field = self.fields.get(name)
            if field is None or field.read_only:
                wrong[name] = [self._unknown(name)]
            elif fault := _type_fault(field, value):
                wrong[name] = fault
                if isinstance(fault, dict):
                    usable[name] = value
            elif value is not None or (field.required and not self.partial):
                usable[name] = value
        try:
            values = super().to_internal_value(usable)
        except ValidationError as error:
            raise ValidationError(_merged(cast(dict[str, Any], error.detail), wrong)) from None
        if wrong:
            raise ValidationError(wrong)
        return values

    def _unknown(self, name: str) -> ErrorDetail:
        return _unknown_name(name, [str(field.field_name) for field in self._writable_fields], "field")


class Query(serializers.Serializer[Any]):
    """Base of all declarations of query parameters: text in, typed values out; unknown names are refused."""

    @classmethod
    def read(cls, parameters: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the checked values of ``parameters``: all texts that were given for each name.

        Raises:
            InvalidInput: with the pointer ``?name`` for every fault.
        """
        declared = _instance(cls, False)
        wrong: dict[str, Any] = {}
        usable: dict[str, Any] = {}
        for name, values in parameters.items():
            field = declared.fields.get(name)
            if field is None:
                wrong[name] = [_unknown_name(name, list(declared.fields), "parameter")]
            elif isinstance(field, serializers.ListField):
                usable[name] = list(values)
            elif len(values) > 1:
                wrong[name] = [ErrorDetail("This parameter stands more than once.", code="repeated")]
            else:
                usable[name] = values[0]
        try:
            checked: dict[str, Any] = declared.run_validation(usable)
        except ValidationError as error:
            raise InvalidInput(errors=query_faults({**cast(dict[str, Any], error.detail), **wrong})) from None
        if wrong:
            raise InvalidInput(errors=query_faults(wrong))
        return checked


class Text(serializers.CharField):
    """A text in a body, as it is: what is no text (NUL, lone surrogates) the JSON parser has refused already.

    ``pattern`` is for the OpenAPI document; the rule itself is a validator, which can say what is wrong.
    """

    def __init__(self, *validators: Any, pattern: str = "", **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        if pattern:
            set_override(self, "field", {"type": "string", "maxLength": self.max_length, "pattern": pattern})
        needless = (ProhibitNullCharactersValidator, ProhibitSurrogateCharactersValidator)
        self.validators = [*(one for one in self.validators if not isinstance(one, needless)), *validators]


def service_name(value: str) -> None:
    """Let through what may be a service's name: a validator.

    Raises:
        ValidationError: it is none.
    """
    if not is_service_name(value):
        message = "A name has 1 to 100 of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit."
        raise ValidationError(message, "name")


class QueryText(serializers.CharField):
    """A text in an address, which may hold what a body may not: U+0000 is refused here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)


@cache
def _instance(cls: type[Any], partial: bool) -> Any:
    """Return one shared instance: building one copies every field, which costs more than validating; both are pure."""
    return cls(partial=partial)


def _checked(declared: StrictSerializer, data: Any) -> dict[str, Any]:
    try:
        values: dict[str, Any] = declared.run_validation(data)
    except ValidationError as error:
        raise InvalidInput(errors=faults(error.detail)) from None
    return values


def _merged(found: dict[str, Any], wrong: dict[str, Any]) -> dict[str, Any]:
    """Return the faults of both; those of single items in ``wrong`` join what was found in the items beside them."""
    merged = {**found, **wrong}
    for name in found.keys() & wrong.keys():
        if isinstance(wrong[name], dict):
            beside = found[name] if isinstance(found[name], dict) else {WHOLE: found[name]}
            merged[name] = {**beside, **wrong[name]}
    return merged


def _unknown_name(name: str, known: list[str], kind: str) -> ErrorDetail:
    near = get_close_matches(name[:100], known, n=1)
    hint = f" Did you mean “{near[0]}”?" if near else ""
    return ErrorDetail(f"There is no {kind} “{name[:100]}” here.{hint}", code=f"unknown_{kind}")


def _type_fault(field: AnyField, value: Any) -> Any:
    """Return the detail of what has the wrong JSON type in ``value``, or ``None``; looks into lists and dicts."""
    if value is None:
        return None
    if isinstance(field, serializers.ListField):
        items = enumerate(value) if isinstance(value, list) else ()
        return {index: fault for index, item in items if (fault := _type_fault(field.child, item))} or None
    if isinstance(field, serializers.DictField):
        members = value.items() if isinstance(value, dict) else ()
        return {name: fault for name, item in members if (fault := _type_fault(field.child, item))} or None
    accepted = _accepted_types(type(field))
    if accepted is None or type(value) in accepted:
        return None
    wanted = " or ".join(
        word for kind, word in _WORDS.items() if kind in accepted and not (kind is int and float in accepted)
    )
    return [ErrorDetail(f"This must be {wanted}, not {_WORDS[type(value)]}.", code="invalid_type")]


_accepted: dict[type[AnyField], frozenset[type] | None] = {}


def _accepted_types(kind: type[AnyField]) -> frozenset[type] | None:
    """Return the JSON types that fields of ``kind`` take, or ``None`` where they judge for themselves."""
    if kind not in _accepted:
        _accepted[kind] = next((_JSON_TYPES[base] for base in kind.__mro__ if base in _JSON_TYPES), None)
    return _accepted[kind]
