"""The one table of cases: a projection of the event log that `casework rebuild` derives again.

What is listed, filtered, sorted or counted is a column; answers that are only shown stand in ``facts``.
Positions are degrees times 10**7 in CGCS2000; ``raw_x``, ``raw_y`` and ``datum`` keep what came in.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from xiuhua.casework.ids import new_id


class Case(models.Model):
    id = models.BigIntegerField(primary_key=True, default=new_id)
    number = models.CharField(_("number"), max_length=40, unique=True)
    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    procedure = models.ForeignKey("casework.ProcedureVersion", models.PROTECT, related_name="+")
    procedure_code = models.CharField(max_length=60)
    state = models.CharField(_("state"), max_length=40)
    stage = models.CharField(max_length=40, default="")
    open = models.BooleanField(default=True)
    outcome = models.CharField(max_length=40, default="")

    holder_role = models.CharField(max_length=40, default="")
    holder_org = models.ForeignKey("city.Organisation", models.PROTECT, null=True, related_name="+")
    holder_user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    responsible_org = models.ForeignKey("city.Organisation", models.PROTECT, null=True, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    relation = models.CharField(max_length=40, default="")
    lead = models.BooleanField(default=False)
    main_case = models.ForeignKey("self", models.PROTECT, null=True, related_name="duplicates")
    children_open = models.JSONField(default=dict, help_text="relation -> {made, open, lead_open, outcomes}")
    children_made = models.PositiveIntegerField(default=0)
    hands = models.JSONField(default=list, help_text="those who each act once in the present collect state")

    title = models.CharField(_("title"), max_length=200, default="")
    description = models.TextField(_("description"), default="")
    address = models.CharField(_("address"), max_length=256, default="")
    source = models.CharField(_("source"), max_length=40, default="")
    urgency = models.CharField(_("urgency"), max_length=20, default="ordinary")
    scheme = models.CharField(max_length=40, default="")
    kind = models.CharField(max_length=20, default="")
    category = models.ForeignKey("city.Category", models.PROTECT, null=True, related_name="+")
    condition = models.ForeignKey("city.FileCondition", models.PROTECT, null=True, related_name="+")
    component_code = models.CharField(max_length=20, default="")

    lon_e7 = models.IntegerField(null=True)
    lat_e7 = models.IntegerField(null=True)
    datum = models.CharField(max_length=12, default="")
    raw_x = models.CharField(max_length=24, default="")
    raw_y = models.CharField(max_length=24, default="")
    accuracy_m = models.IntegerField(null=True)
    grid = models.CharField(max_length=20, default="")
    responsibility_grid = models.CharField(max_length=40, default="")
    community = models.CharField(max_length=12, default="")
    sub_district = models.CharField(max_length=9, default="")
    county = models.CharField(max_length=6, default="")

    reported_at = models.DateTimeField(null=True)
    filed_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    handled_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    due_clock = models.CharField(max_length=40, default="")
    handling_due_at = models.DateTimeField(null=True)
    total_due_at = models.DateTimeField(null=True)
    paused = models.BooleanField(default=False)
    warned = models.PositiveSmallIntegerField(default=0, help_text="highest warning mark passed, in percent")
    clocks = models.JSONField(default=dict)
    calendar_version = models.BigIntegerField(default=0)

    rounds = models.PositiveIntegerField(default=0)
    returns = models.PositiveIntegerField(default=0)
    extensions = models.PositiveIntegerField(default=0)
    holds = models.PositiveIntegerField(default=0)
    supervised = models.PositiveSmallIntegerField(default=0)
    reopened = models.PositiveIntegerField(default=0)
    facts = models.JSONField(default=dict)

    seq = models.PositiveIntegerField(default=0)
    head_digest = models.CharField(max_length=64, default="")
    anchored_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The inbox: what waits for a role, a unit or a person, most urgent first.
            models.Index(
                fields=["holder_role", "platform", "due_at", "id"], name="case_inbox_role", condition=Q(open=True)
            ),
            models.Index(fields=["holder_org", "due_at", "id"], name="case_inbox_org", condition=Q(open=True)),
            models.Index(fields=["holder_user", "due_at", "id"], name="case_inbox_user", condition=Q(open=True)),
            # Lists.
            models.Index(fields=["platform", "state", "id"], name="case_platform_state"),
            models.Index(fields=["platform", "id"], name="case_platform"),
            models.Index(fields=["platform", "due_at", "id"], name="case_platform_due", condition=Q(open=True)),
            models.Index(fields=["responsible_org", "id"], name="case_responsible"),
            models.Index(fields=["category", "id"], name="case_category"),
            models.Index(fields=["created_by", "id"], name="case_created_by"),
            models.Index(fields=["parent", "id"], name="case_parent"),
            models.Index(fields=["main_case"], name="case_main", condition=Q(main_case__isnull=False)),
            models.Index(fields=["grid", "id"], name="case_grid"),
            models.Index(fields=["lon_e7", "lat_e7"], name="case_position"),
            models.Index(fields=["procedure_code", "state"], name="case_procedure_state"),
            models.Index(fields=["updated_at", "id"], name="case_updated"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def lon(self) -> float | None:
        return None if self.lon_e7 is None else self.lon_e7 / 1e7

    @property
    def lat(self) -> float | None:
        return None if self.lat_e7 is None else self.lat_e7 / 1e7


class Party(models.Model):
    """Who ever held a case, person, unit or platform: it stays readable for them after it has moved on."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="parties")
    organisation = models.ForeignKey("city.Organisation", models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    platform = models.ForeignKey("city.Platform", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "platform"], name="party_platform_once", condition=Q(platform__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["case", "organisation"], name="party_org_once", condition=Q(organisation__isnull=False)
            ),
            models.UniqueConstraint(fields=["case", "user"], name="party_user_once", condition=Q(user__isnull=False)),
        ]
        indexes = [
            models.Index(fields=["organisation", "case"], name="party_org"),
            models.Index(fields=["user", "case"], name="party_user"),
            models.Index(fields=["platform", "case"], name="party_platform", condition=Q(platform__isnull=False)),
        ]


class Hand(models.Model):
    """One seat of a collect state: a person, a unit or a role that acts once."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="hand_rows")
    slot = models.CharField(max_length=40, help_text="round and position, unique in the case")
    role = models.CharField(max_length=40, default="")
    organisation = models.ForeignKey("city.Organisation", models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    choice = models.CharField(max_length=40, default="")
    open = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "slot"], name="hand_slot_once")]
        indexes = [
            models.Index(fields=["user", "case"], name="hand_user", condition=Q(open=True)),
            models.Index(fields=["organisation", "case"], name="hand_org", condition=Q(open=True)),
            models.Index(fields=["role", "case"], name="hand_role", condition=Q(open=True)),
        ]


class Numbering(models.Model):
    """Case numbers: the last serial given under a prefix (platform code and day)."""

    prefix = models.CharField(max_length=30, unique=True)
    value = models.PositiveIntegerField(default=0)
