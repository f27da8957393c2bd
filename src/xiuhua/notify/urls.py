"""Addresses of the notify room."""

from __future__ import annotations

from django.urls import path

from xiuhua.notify.pages import channels, link, notices, ring

urlpatterns = [
    path("notices/", notices.listed, name="notices"),
    path("notices/unread", notices.unread, name="notices-unread"),
    path("notices/read-all", notices.read_all, name="notices-read-all"),
    path("notices/addresses", notices.addresses, name="notice-addresses"),
    path("notices/<int:reader>/open", notices.opened, name="notice-open"),
    path("cases/<str:number>/notices/", notices.of_case, name="case-notices"),
    path("ring/", ring.listed, name="ring-list"),
    path("ring/<int:notice>/", ring.call, name="ring-call"),
    path("settings/notices/", channels.shown, name="notice-channels"),
    path("l/<str:token>", link.entrance, name="link"),
    path("link/<int:pk>/", link.case, name="link-case"),
    path("link/<int:pk>/<str:deed>", link.act, name="link-act"),
]
