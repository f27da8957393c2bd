"""Addresses of the command room."""

from django.urls import path

from xiuhua.command.pages import hand_over, overview

urlpatterns = [
    path("hand-over/", hand_over.current, name="hand-over"),
    path("hand-over/<int:pk>/", hand_over.one, name="hand-over-row"),
    path("hand-over/<int:pk>/sign/", hand_over.sign, name="hand-over-sign"),
    path("overview/", overview.overview, name="overview"),
    path("overview/figures/", overview.figures, name="overview-figures"),
]
