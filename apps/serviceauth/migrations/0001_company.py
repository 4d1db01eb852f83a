from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Company",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        help_text="The number by which services name the company.", primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField()),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "last_event_at",
                    models.DateTimeField(
                        help_text="Time of the event that the name is from; older ones change nothing."
                    ),
                ),
            ],
            options={"verbose_name_plural": "companies", "ordering": ["id"]},
        ),
    ]
