"""Addresses of operations."""

from django.urls import path

from xiuhua.ops import pages, probes

urlpatterns = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.figures, name="metrics"),
    path("retention/", pages.overview, name="retention"),
    path("retention/propose/", pages.propose, name="retention-propose"),
    path("retention/proposals/<int:proposal_id>/", pages.proposal, name="retention-proposal"),
    path("retention/holds/<int:hold_id>/lift/", pages.lift, name="retention-lift"),
]
