import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='PollResult',
            fields=[
                ('pk', models.CompositePrimaryKey('instance_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('instance_id', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('ok', models.BooleanField()),
                ('latency_ms', models.FloatField()),
                ('status_code', models.PositiveIntegerField(null=True)),
            ],
            options={
                'db_table': 'registry_pollresult',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='CatalogRevision',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('value', models.BigIntegerField(default=0)),
                ('epoch', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), help_text='Another one means that the database is another one, or went back: revisions cannot be compared.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='registry_revision_single_row')],
            },
        ),
        migrations.CreateModel(
            name='Leadership',
            fields=[
                ('duty', models.CharField(max_length=20, primary_key=True, serialize=False)),
                ('holder', models.CharField(max_length=200)),
                ('token', models.BigIntegerField(default=0)),
                ('renewed_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('expires_at__gte', models.F('renewed_at'))), name='registry_leadership_times')],
            },
        ),
        migrations.CreateModel(
            name='Protection',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('since', models.DateTimeField(help_text='Null: off.', null=True)),
                ('reason', models.TextField(blank=True)),
                ('calm_since', models.DateTimeField(null=True)),
                ('losses_accepted', models.BooleanField(default=False)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='registry_protection_single_row')],
            },
        ),
        migrations.CreateModel(
            name='Service',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('company_id', models.IntegerField(blank=True, help_text='Empty: for all companies.', null=True, verbose_name='company')),
                ('notes', models.TextField(blank=True, help_text='For operators; registration never touches it.')),
                ('revision', models.BigIntegerField(default=0, help_text='Catalogue revision of the last change.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['name'],
                'indexes': [models.Index(fields=['company_id'], name='registry_service_company')],
                'constraints': [models.CheckConstraint(condition=models.Q(('name__regex', '^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$')), name='registry_service_name_well_formed')],
            },
        ),
        migrations.CreateModel(
            name='Instance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('instance_id', models.CharField(max_length=200)),
                ('version', models.CharField(max_length=100)),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(65535)])),
                ('health_check_url', models.CharField(max_length=2048)),
                ('api_base_url', models.CharField(max_length=2048)),
                ('api_docs_url', models.CharField(blank=True, max_length=2048, null=True)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=None)),
                ('capabilities', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=None)),
                ('dependencies', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=None)),
                ('weight', models.PositiveIntegerField(default=100)),
                ('weight_override', models.PositiveIntegerField(blank=True, help_text='Set by an operator; wins.', null=True)),
                ('zone', models.CharField(blank=True, max_length=100, null=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('lease_seconds', models.PositiveIntegerField(default=90)),
                ('deregister_after_seconds', models.PositiveIntegerField(default=600)),
                ('poll_interval_seconds', models.PositiveIntegerField(default=30)),
                ('status', models.CharField(choices=[('deregistered', 'deregistered'), ('stale', 'stale'), ('draining', 'draining'), ('unhealthy', 'unhealthy'), ('degraded', 'degraded'), ('starting', 'starting'), ('healthy', 'healthy')], max_length=12)),
                ('status_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('reported_status', models.CharField(choices=[('healthy', 'healthy'), ('degraded', 'degraded'), ('unhealthy', 'unhealthy'), ('starting', 'starting'), ('draining', 'draining')], max_length=12, null=True)),
                ('polled_status', models.CharField(choices=[('healthy', 'healthy'), ('degraded', 'degraded'), ('unhealthy', 'unhealthy')], max_length=12, null=True)),
                ('draining', models.BooleanField(default=False, help_text='Set by an operator; only resume lifts it.')),
                ('registered_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('revision', models.BigIntegerField(default=0)),
                ('service', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='instances', to='registry.service')),
            ],
            options={
                'ordering': ['service_id', 'instance_id'],
            },
        ),
        migrations.CreateModel(
            name='HistoryEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('instance_id', models.CharField(blank=True, max_length=200, null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('change', models.CharField(choices=[('registered', 'registered'), ('updated', 'updated'), ('status_changed', 'status changed'), ('drained', 'drained'), ('resumed', 'resumed'), ('deregistered', 'deregistered'), ('weight_changed', 'weight changed'), ('noted', 'noted'), ('checked', 'checked')], max_length=16)),
                ('old_status', models.CharField(choices=[('deregistered', 'deregistered'), ('stale', 'stale'), ('draining', 'draining'), ('unhealthy', 'unhealthy'), ('degraded', 'degraded'), ('starting', 'starting'), ('healthy', 'healthy')], max_length=12, null=True)),
                ('new_status', models.CharField(choices=[('deregistered', 'deregistered'), ('stale', 'stale'), ('draining', 'draining'), ('unhealthy', 'unhealthy'), ('degraded', 'degraded'), ('starting', 'starting'), ('healthy', 'healthy')], max_length=12, null=True)),
                ('cause', models.TextField()),
                ('actor', models.CharField(max_length=150)),
                ('revision', models.BigIntegerField(default=0)),
                ('service', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='history', to='registry.service')),
            ],
            options={
                'verbose_name_plural': 'history',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Vitals',
            fields=[
                ('instance', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='vitals', serialize=False, to='registry.instance')),
                ('last_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('next_due_at', models.DateTimeField(help_text='Null: not polled (deregistered).', null=True)),
                ('failures', models.PositiveIntegerField(default=0, help_text='Failed polls in a row.')),
                ('successes', models.PositiveIntegerField(default=0, help_text='Good polls in a row.')),
                ('checked_at', models.DateTimeField(null=True)),
                ('ok', models.BooleanField(null=True)),
                ('latency_ms', models.FloatField(null=True)),
                ('status_code', models.PositiveIntegerField(null=True)),
                ('reason', models.CharField(blank=True, max_length=256)),
            ],
            options={
                'verbose_name_plural': 'vitals',
                'indexes': [models.Index(condition=models.Q(('next_due_at__isnull', False)), fields=['next_due_at'], name='registry_vitals_due')],
            },
        ),
        migrations.CreateModel(
            name='PollHour',
            fields=[
                ('pk', models.CompositePrimaryKey('instance_id', 'hour', blank=True, editable=False, primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('polls', models.PositiveIntegerField()),
                ('failures', models.PositiveIntegerField()),
                ('latency_avg_ms', models.FloatField()),
                ('latency_p95_ms', models.FloatField()),
                ('latency_max_ms', models.FloatField()),
                ('instance', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='poll_hours', to='registry.instance')),
            ],
            options={
                'indexes': [models.Index(fields=['hour'], name='registry_pollhour_hour')],
            },
        ),
        migrations.AddIndex(
            model_name='instance',
            index=models.Index(fields=['revision'], name='registry_instance_revision'),
        ),
        migrations.AddIndex(
            model_name='instance',
            index=models.Index(fields=['status', 'status_since'], name='registry_instance_status_since'),
        ),
        migrations.AddIndex(
            model_name='instance',
            index=django.contrib.postgres.indexes.GinIndex(fields=['tags'], name='registry_instance_tags'),
        ),
        migrations.AddIndex(
            model_name='instance',
            index=django.contrib.postgres.indexes.GinIndex(fields=['capabilities'], name='registry_instance_caps'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.UniqueConstraint(fields=('service', 'instance_id'), name='registry_instance_unique'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('port__gte', 1), ('port__lte', 65535)), name='registry_instance_port'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('lease_seconds__gte', 5), ('lease_seconds__lte', 3600)), name='registry_instance_lease'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('deregister_after_seconds__gte', 60), ('deregister_after_seconds__lte', 604800)), name='registry_instance_deregister_after'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('weight__lte', 10000), models.Q(('weight_override__isnull', True), ('weight_override__lte', 10000), _connector='OR')), name='registry_instance_weight'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('poll_interval_seconds__gte', 1)), name='registry_instance_poll_interval'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['deregistered', 'stale', 'draining', 'unhealthy', 'degraded', 'starting', 'healthy'])), name='registry_instance_status'),
        ),
        migrations.AddIndex(
            model_name='historyentry',
            index=models.Index(fields=['service', '-id'], name='registry_history_service'),
        ),
        migrations.AddIndex(
            model_name='historyentry',
            index=models.Index(fields=['at'], name='registry_history_at'),
        ),
    ]
