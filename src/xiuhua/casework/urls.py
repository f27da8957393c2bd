"""Addresses of the engine's pages."""

from django.urls import path, re_path

from xiuhua.casework.maps import views as maps
from xiuhua.casework.ogc.api import api as ogc
from xiuhua.casework.pages import (
    act,
    case_list,
    case_page,
    clock_orders,
    deadline,
    inbox,
    layers,
    live,
    lookups,
    outbox,
    personal,
    procedures,
    report,
    rules,
    uploads,
)

urlpatterns = [
    path("", inbox.inbox, name="home"),
    path("cases/", case_list.case_list, name="cases"),
    path("search/", case_list.case_list, name="search"),
    path("map/", layers.map_page, name="map"),
    path("report/", report.choose, name="report"),
    path("report/<slug:procedure>/<slug:action>/", report.report, name="report-as"),
    path("cases/<str:number>/", case_page.case_page, name="case"),
    path("cases/<str:number>/changed/", live.changed, name="case-changed"),
    path("live/", live.live, name="live"),
    path("cases/<str:number>/why/", deadline.why_page, name="case-why"),
    path("cases/<str:number>/do/<slug:action>/", act.act, name="case-act"),
    path("cases/<str:number>/personal/<slug:field>/", personal.show, name="case-reveal"),
    path("procedures/", procedures.procedure_list, name="procedures"),
    path("procedures/<slug:code>/", procedures.procedure, name="procedure"),
    path("rules/", rules.rule_list, name="rules"),
    path("rules/open/", rules.open_procedure, name="rule-open"),
    path("rules/<slug:book>/", rules.rule, name="rule"),
    path("rules/<slug:book>/<str:file>/", rules.rule, name="rule"),
    path("clock-orders/", clock_orders.order_list, name="clock-orders"),
    path("clock-orders/<int:pk>/end/", clock_orders.end_order, name="clock-order-end"),
    path("outbox/", outbox.outbox, name="outbox"),
    path("outbox/<int:pk>/retry/", outbox.retry, name="outbox-retry"),
    path("outbox/<int:pk>/give-up/", outbox.give_up, name="outbox-give-up"),
    path("lookup/<slug:kind>/", lookups.lookup, name="lookup"),
    path("place/", lookups.place, name="place"),
    path("layers/<slug:name>.geojson", layers.layer, name="layer"),
    path("tiles/<slug:layer>/<int:z>/<int:x>/<int:y>.mvt", maps.tile, name="vector-tile"),
    path("nearest/", maps.nearest, name="nearest-components"),
    path("ogc/", ogc.urls),
    path("uploads/", uploads.upload, name="upload"),
    re_path(r"^files/(?P<sha256>[0-9a-f]{64})$", uploads.file, name="file"),
    re_path(r"^files/(?P<sha256>[0-9a-f]{64})/(?P<size>\d{3,4})$", uploads.sized, name="thumbnail"),
]
