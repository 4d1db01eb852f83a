"""What the routes about keys take and answer."""

from typing import Any

from rest_framework import serializers

from apps.core.serializers import StrictSerializer, Text

__all__ = ["EnrolledSerializer", "EnrolmentSerializer", "LeakReportSerializer", "LeakSerializer"]

LONGEST = 500
"""Longer than any key: what is pasted with something around it is answered, not refused for its length."""


class LeakReportSerializer(StrictSerializer):
    """A key that somebody found where it should not be."""

    service_key = Text(max_length=LONGEST, help_text="The whole text of the key. Holding it is all that is needed.")


class LeakSerializer(serializers.Serializer[Any]):
    """What became of a key that was reported."""

    recognised = serializers.BooleanField(help_text="Whether it is a key of this hub; it is disabled then.")
    key_id = serializers.CharField(allow_null=True, help_text="Its public part, as operators see it.")
    disabled_at = serializers.DateTimeField(allow_null=True)


class EnrolmentSerializer(StrictSerializer):
    """A service that fetches its first key."""

    service_name = Text(max_length=100, help_text="The name that it will register with.")
    enrolment_token = Text(max_length=LONGEST, help_text="What the operator gave for this installation.")


class EnrolledSerializer(serializers.Serializer[Any]):
    """A new key. It cannot be had again."""

    service_key = serializers.CharField()
    key_id = serializers.CharField(help_text="Its public part, as logs and operators name it.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: never by itself.")
