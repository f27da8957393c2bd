"""An erasure by a retention rule: proposed by one person, approved by another, done by the worker case by case."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class ErasureProposal(models.Model):
    class State(models.TextChoices):
        PROPOSED = "proposed"
        REFUSED = "refused"
        APPROVED = "approved"
        DONE = "done"

    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    rule = models.JSONField(help_text="the rule as it was when this was proposed")
    before = models.DateTimeField(help_text="cases that ended before")
    count = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.PROPOSED)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Who proposes may take back, never approve: the database says it too.
            models.CheckConstraint(
                condition=Q(state__in=["proposed", "refused"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
                name="erasure_two_persons",
            ),
        ]
        indexes = [models.Index(fields=["platform", "id"], name="erasure_platform")]


class ErasureItem(models.Model):
    """One case of a proposal. ``result``: '' waits; erased, held, not_due (worked on again) or refused."""

    proposal = models.ForeignKey(ErasureProposal, models.CASCADE, related_name="items")
    case = models.ForeignKey("casework.Case", models.PROTECT, related_name="+")
    result = models.CharField(max_length=12, default="")
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "case"], name="erasure_item_once")]
        indexes = [
            models.Index(fields=["proposal", "id"], name="erasure_item_waits", condition=Q(result="")),
            models.Index(fields=["case"], name="erasure_item_case"),
        ]
