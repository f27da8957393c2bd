"""Addresses of the ledgers. ``ledger-<code>`` names the list of each, for the navigation."""

from django.urls import path

from xiuhua.ledgers import registry
from xiuhua.ledgers.pages import batches, bulk, downloads, imports, lists, maps, rows, saved

urlpatterns = [
    path("ledgers/", lists.index, name="ledgers"),
    *(path(f"ledgers/{code}/", lists.ledger_list, {"code": code}, f"ledger-{code}") for code in registry.ledgers()),
    path("ledgers/<slug:code>/", lists.ledger_list, name="ledger"),
    path("ledgers/<slug:code>/map/", maps.ledger_map, name="ledger-map"),
    path("ledgers/<slug:code>/rows.geojson", maps.features, name="ledger-features"),
    path("ledgers/<slug:code>/add/", rows.add, name="ledger-add"),
    path("ledgers/<slug:code>/bulk/", bulk.bulk, name="ledger-bulk"),
    path("ledgers/<slug:code>/export/", downloads.export, name="ledger-export"),
    path("ledgers/<slug:code>/template.<slug:form>", downloads.template, name="ledger-template"),
    path("ledgers/<slug:code>/views/", saved.manage, name="ledger-views"),
    path("ledgers/<slug:code>/views/save/", saved.save, name="ledger-view-save"),
    path("ledgers/<slug:code>/lookup/<slug:name>/", lists.lookup, name="ledger-lookup"),
    path("ledgers/<slug:code>/import/", imports.upload, name="ledger-import"),
    path("ledgers/<slug:code>/batches/", batches.batch_list, name="ledger-batches"),
    path("ledgers/<slug:code>/batches/<int:pk>/", batches.batch_page, name="ledger-batch"),
    path("ledgers/<slug:code>/batches/<int:pk>/state/", batches.state, name="ledger-batch-state"),
    path("ledgers/<slug:code>/batches/<int:pk>/mapping/", batches.mapping, name="ledger-batch-mapping"),
    path("ledgers/<slug:code>/batches/<int:pk>/go/", batches.go, name="ledger-batch-go"),
    path("ledgers/<slug:code>/batches/<int:pk>/undo/", batches.undo_page, name="ledger-batch-undo"),
    path("ledgers/<slug:code>/batches/<int:pk>/report.csv", batches.report, name="ledger-batch-report"),
    path("ledgers/<slug:code>/batches/<int:pk>/file", batches.file, name="ledger-batch-file"),
    path("ledgers/<slug:code>/<int:pk>/", rows.row_page, name="ledger-row"),
    path("ledgers/<slug:code>/<int:pk>/edit/", rows.edit, name="ledger-edit"),
    path("ledgers/<slug:code>/<int:pk>/remove/", rows.remove, name="ledger-remove"),
    path("ledgers/<slug:code>/<int:pk>/reveal/<slug:name>/", rows.reveal, name="ledger-reveal"),
]
