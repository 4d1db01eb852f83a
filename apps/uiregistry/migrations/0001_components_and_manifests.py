"""Components, widgets, dashboards and manifests, each with its row-level security."""

import django.contrib.postgres.fields
import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.tenancy.rls import EVERYTHING, RowLevelSecurity, reads, writes

# A subquery sees the manifests that their policies let through.
MANIFEST = "SELECT FROM uiregistry_manifest m WHERE m.id = uiregistry_manifestrevision.manifest_id"


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Component',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service_name', models.CharField(max_length=100, verbose_name='service')),
                ('company_id', models.BigIntegerField(blank=True, help_text='Empty: for all companies.', null=True, verbose_name='company')),
                ('name', models.CharField(max_length=100)),
                ('declared_in', models.BigIntegerField(help_text='The company of the caller who declared it; null: none.', null=True)),
                ('declared', models.JSONField(help_text='What was sent, without nulls and without service_name.')),
                ('position', models.PositiveIntegerField(default=0, help_text='Where it stood in its manifest.')),
                ('api_endpoint', models.CharField(max_length=500)),
                ('permissions', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None)),
                ('is_active', models.BooleanField(default=True)),
                ('archived_at', models.DateTimeField(help_text='Taken back by its service.', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('component_type', models.CharField(choices=[('page', 'page'), ('widget', 'widget'), ('modal', 'modal'), ('form', 'form')], max_length=6, verbose_name='type')),
                ('route_path', models.CharField(max_length=200)),
                ('route_key', models.CharField(max_length=200)),
                ('props', models.JSONField(default=dict)),
                ('metadata', models.JSONField(default=dict)),
                ('displaced', models.BooleanField(default=False, help_text='An operator handed its route to another service.')),
            ],
            options={
                'ordering': ['id'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('service_name', 'company_id', 'name'), name='uiregistry_component_name', nulls_distinct=False), models.UniqueConstraint(condition=models.Q(('archived_at', None), ('displaced', False)), fields=('route_key', 'company_id'), name='uiregistry_component_route', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Dashboard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=60)),
                ('title', models.CharField(max_length=80)),
                ('company_id', models.BigIntegerField(blank=True, help_text='Empty: for all companies.', null=True, verbose_name='company')),
                ('actor', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['slug'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('slug', 'company_id'), name='uiregistry_dashboard_slug', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Manifest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service_name', models.CharField(max_length=100, verbose_name='service')),
                ('company_id', models.BigIntegerField(blank=True, null=True, verbose_name='company')),
                ('version', models.CharField(default='0.0.0', max_length=100)),
                ('generation', models.BigIntegerField(help_text='Empty: no manifest was put, or it was taken back.', null=True)),
                ('number', models.PositiveIntegerField(default=0, help_text='Of the last revision.')),
                ('touched_by', models.CharField(blank=True, help_text='Who changed single items since the last revision; empty: nobody.', max_length=200)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['service_name', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('service_name', 'company_id'), name='uiregistry_manifest_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Widget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service_name', models.CharField(max_length=100, verbose_name='service')),
                ('company_id', models.BigIntegerField(blank=True, help_text='Empty: for all companies.', null=True, verbose_name='company')),
                ('name', models.CharField(max_length=100)),
                ('declared_in', models.BigIntegerField(help_text='The company of the caller who declared it; null: none.', null=True)),
                ('declared', models.JSONField(help_text='What was sent, without nulls and without service_name.')),
                ('position', models.PositiveIntegerField(default=0, help_text='Where it stood in its manifest.')),
                ('api_endpoint', models.CharField(max_length=500)),
                ('permissions', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None)),
                ('is_active', models.BooleanField(default=True)),
                ('archived_at', models.DateTimeField(help_text='Taken back by its service.', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('widget_type', models.CharField(choices=[('chart', 'chart'), ('metric', 'metric'), ('table', 'table'), ('custom', 'custom')], max_length=6, verbose_name='type')),
                ('refresh_interval', models.PositiveIntegerField(default=30, help_text='Seconds; 0: by hand.')),
                ('size', models.CharField(choices=[('small', 'small'), ('medium', 'medium'), ('large', 'large')], default='medium', max_length=6)),
                ('config', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['id'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('service_name', 'company_id', 'name'), name='uiregistry_widget_name', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Layout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(choices=[('global', 'global'), ('company', 'company'), ('role', 'role'), ('user', 'user')], max_length=7)),
                ('scope_id', models.BigIntegerField(help_text='0 for global, else the number of the company, role or user.')),
                ('company_id', models.BigIntegerField(blank=True, null=True, verbose_name='company')),
                ('placements', models.JSONField(default=list)),
                ('actor', models.CharField(max_length=200)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('dashboard', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='layouts', to='uiregistry.dashboard')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('dashboard', 'scope', 'scope_id', 'company_id'), name='uiregistry_layout_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('scope', 'global'), ('scope_id', 0), ('company_id', None)), models.Q(('scope', 'company'), ('scope_id', models.F('company_id'))), ('scope__in', ('role', 'user')), _connector='OR'), name='uiregistry_layout_company')],
            },
        ),
        migrations.CreateModel(
            name='ManifestRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('digest', models.CharField(help_text='SHA-256 of the canonical body.', max_length=64)),
                ('body', models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ('cause', models.CharField(help_text='put, items, restored from N, removed, applied', max_length=60)),
                ('actor', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('manifest', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='revisions', to='uiregistry.manifest')),
            ],
            options={
                'ordering': ['-number'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('manifest', 'number'), name='uiregistry_manifest_revision_once')],
            },
        ),
        RowLevelSecurity("uiregistry_component", read=reads(), write=writes()),
        RowLevelSecurity("uiregistry_widget", read=reads(), write=writes()),
        RowLevelSecurity("uiregistry_dashboard", read=reads(), write=writes()),
        RowLevelSecurity("uiregistry_layout", read=reads(), write=writes()),
        RowLevelSecurity("uiregistry_manifest", read=reads(), write=writes()),
        RowLevelSecurity(
            "uiregistry_manifestrevision",
            read=f"{EVERYTHING} OR EXISTS ({MANIFEST})",
            write=f"{EVERYTHING} OR EXISTS ({MANIFEST} AND ({writes('m.company_id')}))",
        ),
    ]
