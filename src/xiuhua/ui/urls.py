"""Pages of the shell: language switch and style guide."""

from __future__ import annotations

from django.urls import path

from xiuhua.ui import views

urlpatterns = [
    path("ui/language", views.language, name="ui-language"),
    path("ui/guide", views.guide, name="ui-guide"),
    path("ui/guide/<slug:name>", views.guide_piece, name="ui-guide-piece"),
]
