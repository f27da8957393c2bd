"""Words that scripts show, in the language of the request; `parts/strings.html` hands them over as JSON."""

from __future__ import annotations

from django.utils.translation import gettext as _


def strings() -> dict[str, str]:
    """Names as the scripts use them; placeholders in ``{braces}`` are filled by the scripts."""
    return {
        "close": _("Close"),
        "noMatch": _("Nothing matches"),
        "uploading": _("Uploading…"),
        "uploadFailed": _("{name} could not be uploaded: {why}"),
        "tooMany": _("At most {n} photos"),
        "notImage": _("This is not a photo"),
        "remove": _("Remove {name}"),
        "offline": _("No connection. What you typed is kept; try again in a moment."),
        "failed": _("The server could not do this ({status}). Nothing was changed."),
        "liveDown": _("Live update is interrupted. This page looks for changes every 20 seconds until it is back."),
        "draft": _("A draft from {time} was put back."),
        "draftDiscard": _("Discard the draft"),
        "locating": _("Finding your position…"),
        "located": _("Position found, accurate to {n} m"),
        "locationDenied": _("The browser gives no position. Pick the point on the map or type the coordinates."),
        "picked": _("Point {lon}, {lat}"),
        "badCoordinate": _("Longitude must be between -180 and 180, latitude between -90 and 90"),
        "noWebgl": _("This device cannot draw the map (no WebGL). Lists, addresses and coordinates work without it."),
        "layerFailed": _("The layer “{name}” could not be loaded"),
        "mapLoading": _("Loading the map…"),
        "photoOf": _("Photo {n} of {m}"),
        "searchFor": _("Search everywhere for “{text}”"),
        "goTo": _("Go to"),
        "zoomIn": _("Zoom in"),
        "zoomOut": _("Zoom out"),
        "resetNorth": _("North up"),
        "map": _("Map"),
        "attribution": _("Sources"),
        "centrePoint": _("Take the centre of the map"),
        "myPlace": _("My position"),
        "casesHere": _("{n} cases on this spot; click for the list"),
        "andMore": _("and {n} more"),
        "measureLine": _("Measure a length"),
        "measureArea": _("Measure an area"),
        "selectArea": _("Cases in an area"),
        "drawTools": _("Draw and measure"),
        "drawHow": _("Click the corners on the map; by keyboard, Enter takes the centre."),
        "drawNext": _("Next corner"),
        "drawDone": _("Finish"),
        "drawSelect": _("Show these cases"),
        "drawStop": _("Clear"),
        "nearComponents": _("Components near the point"),
        "noComponents": _("No component within 50 m"),
        "componentTaken": _("Component {code} taken"),
    }
