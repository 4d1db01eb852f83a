"""Menu items, what operators change of them, and who has which path, each with its row-level security."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.tenancy.rls import RowLevelSecurity, reads, writes


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Conflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('menu', 'menu item'), ('component', 'component')], max_length=9)),
                ('route_key', models.CharField(max_length=200)),
                ('path', models.CharField(help_text='As the claimant wrote it.', max_length=200)),
                ('company_id', models.BigIntegerField(blank=True, null=True, verbose_name='company')),
                ('owner', models.CharField(max_length=100)),
                ('claimant', models.CharField(max_length=100)),
                ('times', models.PositiveIntegerField(default=1)),
                ('first_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('kind', 'route_key', 'company_id', 'claimant'), name='menus_conflict_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Handover',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('menu', 'menu item'), ('component', 'component')], max_length=9)),
                ('route_key', models.CharField(max_length=200)),
                ('company_id', models.BigIntegerField(blank=True, null=True, verbose_name='company')),
                ('service_name', models.CharField(max_length=100, verbose_name='service')),
                ('actor', models.CharField(max_length=200)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('kind', 'route_key', 'company_id'), name='menus_handover_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='MenuItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service_name', models.CharField(max_length=100, verbose_name='service')),
                ('company_id', models.BigIntegerField(blank=True, help_text='Empty: for all companies.', null=True, verbose_name='company')),
                ('key', models.CharField(max_length=200)),
                ('declared_in', models.BigIntegerField(help_text='The company of the caller who declared it; null: none.', null=True)),
                ('declared', models.JSONField(help_text='What was sent, without nulls and without service_name.')),
                ('position', models.PositiveIntegerField(default=0, help_text='Where it stood in its manifest.')),
                ('name', models.CharField(max_length=80)),
                ('path', models.CharField(blank=True, max_length=200, null=True)),
                ('url', models.CharField(blank=True, max_length=2000, null=True)),
                ('route_key', models.CharField(max_length=200, null=True)),
                ('icon', models.CharField(blank=True, max_length=60)),
                ('description', models.TextField(blank=True)),
                ('parent_ref', models.CharField(max_length=200, null=True)),
                ('parent_ref_kind', models.CharField(choices=[('id', 'id'), ('name', 'name')], max_length=4, null=True)),
                ('order_number', models.IntegerField(default=100)),
                ('before', models.CharField(max_length=200, null=True)),
                ('after', models.CharField(max_length=200, null=True)),
                ('required_permissions', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None)),
                ('permission_mode', models.CharField(choices=[('all', 'all of them'), ('any', 'any of them')], default='all', max_length=3)),
                ('labels', models.JSONField(default=dict, help_text='Names by locale.')),
                ('badge', models.JSONField(null=True)),
                ('is_page', models.BooleanField(default=False)),
                ('is_active', models.BooleanField(default=True)),
                ('displaced', models.BooleanField(default=False, help_text='An operator handed its path to another service.')),
                ('archived_at', models.DateTimeField(help_text='Taken back by its service; it returns with its overlays.', null=True)),
                ('revision', models.BigIntegerField(default=0, help_text='Of its last change.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='menus.menuitem')),
            ],
            options={
                'verbose_name': 'menu item',
                'ordering': ['id'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='MenuRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('company_id', models.BigIntegerField(null=True)),
                ('value', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['value'], name='menus_revision_value')],
                'constraints': [models.UniqueConstraint(fields=('company_id',), name='menus_revision_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Overlay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(choices=[('global', 'global'), ('company', 'company'), ('role', 'role'), ('user', 'user')], max_length=7)),
                ('scope_id', models.BigIntegerField(help_text='0 for global, else the number of the company, role or user.')),
                ('company_id', models.BigIntegerField(blank=True, help_text='In which company it holds. Empty: in all.', null=True, verbose_name='company')),
                ('values', models.JSONField()),
                ('base', models.JSONField()),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('actor', models.CharField(max_length=200)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('item', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='overlays', to='menus.menuitem')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='menuitem',
            index=models.Index(condition=models.Q(('archived_at', None)), fields=['company_id', 'name'], name='menus_item_name'),
        ),
        migrations.AddIndex(
            model_name='menuitem',
            index=models.Index(condition=models.Q(('archived_at', None), ('parent', None), ('parent_ref__isnull', False)), fields=['parent_ref'], name='menus_item_pending'),
        ),
        migrations.AddIndex(
            model_name='menuitem',
            index=models.Index(fields=['revision'], name='menus_item_revision'),
        ),
        migrations.AddConstraint(
            model_name='menuitem',
            constraint=models.UniqueConstraint(fields=('service_name', 'company_id', 'key'), name='menus_item_key', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='menuitem',
            constraint=models.UniqueConstraint(condition=models.Q(('archived_at', None), ('displaced', False), ('route_key__isnull', False)), fields=('route_key', 'company_id'), name='menus_item_route', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='menuitem',
            constraint=models.CheckConstraint(condition=models.Q(('parent__isnull', True), models.Q(('parent', models.F('id')), _negated=True), _connector='OR'), name='menus_item_not_its_own_parent'),
        ),
        migrations.AddConstraint(
            model_name='menuitem',
            constraint=models.CheckConstraint(condition=models.Q(('path__isnull', True), ('url__isnull', True), _connector='XOR'), name='menus_item_path_or_url'),
        ),
        migrations.AddConstraint(
            model_name='overlay',
            constraint=models.UniqueConstraint(fields=('item', 'scope', 'scope_id', 'company_id'), name='menus_overlay_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='overlay',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ('global', 'company', 'role', 'user'))), name='menus_overlay_scope'),
        ),
        migrations.AddConstraint(
            model_name='overlay',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('scope', 'global'), ('scope_id', 0), ('company_id', None)), models.Q(('scope', 'company'), ('scope_id', models.F('company_id'))), ('scope__in', ('role', 'user')), _connector='OR'), name='menus_overlay_company'),
        ),
        RowLevelSecurity("menus_menuitem", read=reads(), write=writes()),
        RowLevelSecurity("menus_overlay", read=reads(), write=writes()),
        RowLevelSecurity("menus_handover", read=reads(), write=writes()),
        RowLevelSecurity("menus_conflict", read=reads(), write=writes()),
    ]
