"""The outbox, who relays it, and the events that are handled."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='RelayLease',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('owner', models.UUIDField(null=True)),
                ('until', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'relay lease',
            },
        ),
        migrations.CreateModel(
            name='HandledEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('group', models.CharField(max_length=255)),
                ('handler', models.CharField(max_length=255)),
                ('event_id', models.CharField(max_length=255)),
                ('handled_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('token', models.UUIDField(editable=False, help_text='Of the run that handled it.')),
            ],
            options={
                'verbose_name': 'handled event',
                'constraints': [models.UniqueConstraint(fields=('event_id', 'handler', 'group'), name='xerpium_handled_once')],
            },
        ),
        migrations.CreateModel(
            name='OutboxEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('stream', models.CharField(max_length=100)),
                ('event_id', models.CharField(db_index=True, max_length=255)),
                ('event_type', models.CharField(max_length=100)),
                ('fields', models.JSONField(help_text='The eleven text fields of the stream entry.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('sent_at', models.DateTimeField(editable=False, null=True)),
                ('parked_at', models.DateTimeField(editable=False, null=True)),
                ('error', models.TextField(blank=True, default='', editable=False, help_text='Why it is parked.')),
            ],
            options={
                'verbose_name': 'outbox event',
                'permissions': [('send_outboxevent_again', 'Can send outbox events again')],
                'indexes': [models.Index(condition=models.Q(('parked_at', None), ('sent_at', None)), fields=['id'], name='xerpium_outbox_pending'), models.Index(fields=['sent_at'], name='xerpium_outbox_sent')],
            },
        ),
    ]
