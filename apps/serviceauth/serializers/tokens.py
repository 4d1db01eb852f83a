"""What the routes about tokens take and answer."""

from typing import Any

from rest_framework import serializers

from apps.core.serializers import StrictSerializer, Text
from apps.serviceauth.serializers.keys import LONGEST

__all__ = [
    "RevocationsSerializer",
    "TokenRequestSerializer",
    "TokenSaysSerializer",
    "TokenSerializer",
    "UserTokenRequestSerializer",
    "ValidationSerializer",
]

LONGEST_SCOPE = 2000
_MOST_COMPANY = 2**63 - 1
_SCOPE = "Names with spaces between. Absent: all that may be had."


def _company(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=_MOST_COMPANY, **options)


class TokenRequestSerializer(StrictSerializer):
    """A service that wants a token."""

    service_name = Text(max_length=100, help_text="The name that it registers with.")
    service_key = Text(max_length=LONGEST, help_text="The whole text of one of its account's keys.")
    company_id = _company(
        required=False,
        help_text="The company that it is to be in: it then sees this company's rows and those of all, and writes this"
        " company's. Absent: in none.",
    )
    scope = Text(max_length=LONGEST_SCOPE, required=False, help_text=_SCOPE)


class TokenSerializer(serializers.Serializer[Any]):
    """A token. Send it as `Authorization: Bearer …` until it ends."""

    access_token = serializers.CharField(help_text="A JWT (RFC 9068); whoever has the hub's keys can verify it.")
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(allow_blank=True, help_text="What it is good for.")


class UserTokenRequestSerializer(StrictSerializer):
    """An operator who wants a token for the person that he is."""

    company_id = _company(help_text="The company that the person works in.")
    scope = Text(max_length=LONGEST_SCOPE, required=False, help_text=_SCOPE)


class ValidationSerializer(StrictSerializer):
    """A token that somebody was sent."""

    token = Text(help_text="As it came, without “Bearer”.")
    audience = Text(
        max_length=100,
        required=False,
        help_text="The name of the service that asks. A token that is meant for one service only is good for nobody"
        " else.",
    )


class TokenSaysSerializer(serializers.Serializer[Any]):
    """What a token says that is good now."""

    active = serializers.BooleanField(help_text="Always true.")
    token_type = serializers.ChoiceField(choices=["Bearer"])
    service_name = serializers.CharField(allow_null=True, help_text="Who brings it; null: a person without a service.")
    company_id = serializers.IntegerField(allow_null=True, help_text="The company that it is in.")
    user_id = serializers.IntegerField(allow_null=True, help_text="The person that it acts for.")
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="Of the person, in this company: names, or patterns like `product.*`."
    )
    companies = serializers.JSONField(help_text='The companies that it may act for; `"*"` is all of them.')
    scope = serializers.CharField(allow_blank=True)
    client_id = serializers.CharField()
    sub = serializers.CharField()
    iss = serializers.CharField()
    aud = serializers.JSONField(help_text="Whom it is meant for: one name, or several.")
    iat = serializers.IntegerField(help_text="Seconds since the epoch, as the other times.")
    nbf = serializers.IntegerField()
    exp = serializers.IntegerField()
    jti = serializers.CharField()
    key_id = serializers.CharField(allow_null=True, help_text="The public part of the key that it was got with.")
    act = serializers.DictField(required=False, help_text="The services that act for the person (RFC 8693, 4.1).")


class RevocationSerializer(serializers.Serializer[Any]):
    """Something that was revoked."""

    kind = serializers.ChoiceField(choices=["token", "key", "account", "user"])
    mark = serializers.CharField(
        help_text="SHA-256 (hex) of the kind, a NUL, and the token's `jti`, `key_id`, `account` or `user_id` (this also"
        " with `@` and its `company_id`), or what stands in `rests_on` as `kind:value`."
    )
    issued_before = serializers.DateTimeField(help_text="Tokens issued up to this moment are void.")


class RevocationsSerializer(serializers.Serializer[Any]):
    """Everything that is revoked and has not ended by itself."""

    revision = serializers.CharField(help_text="Another one whenever the list is another one.")
    max_age = serializers.IntegerField(help_text="Seconds after which to ask again.")
    revocations = RevocationSerializer(many=True)
