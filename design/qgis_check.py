"""Open a GeoPackage of ghostships in a real QGIS, without a screen: are the styles, the times and the labels what we meant?

Run with the Python that has QGIS (Debian: python3-qgis), not with the project's own:

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 design/qgis_check.py OUT/ghostships.gpkg picture.png

Every layer is opened by its name alone, as dragging the file into QGIS does: the default style must come from the file. Exit status
1 when a layer is not valid, not styled, has a symbol without a layer, or no active times. The answer goes to stdout as JSON.
"""

from __future__ import annotations

import json
import sys

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsDateTimeRange,
    QgsLabelingEngineSettings,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsRectangle,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QSize, Qt, QTime
from qgis.PyQt.QtGui import QColor

RENDERERS = {
    "tracks": "singleSymbol",
    "gaps_lines": "categorizedSymbol",
    "gaps": "singleSymbol",
    "sightings": "categorizedSymbol",
    "port_calls": "categorizedSymbol",
    "round_trips": "categorizedSymbol",
}
FROM_FIELDS = 2
"""QgsVectorLayerTemporalProperties.ModeFeatureDateTimeStartAndEndFromFields."""


def look(path: str, name: str) -> tuple[QgsVectorLayer, dict[str, object], list[str]]:
    """One layer as QGIS opens it, what it says of itself, and what is wrong."""
    layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
    if not layer.isValid():
        return layer, {}, [f"{name}: cannot be opened"]
    # The constructor reads the style, too, but 3.22 then puts the provider's guess in place of the style's times.
    _, is_styled = layer.loadDefaultStyle()
    renderer, times = layer.renderer(), layer.temporalProperties()
    symbols = renderer.symbols(QgsRenderContext())
    said = {
        "features": layer.featureCount(),
        "renderer": renderer.type(),
        "symbols": [[s.symbolLayer(0).layerType(), s.color().name()] for s in symbols],
        "legend": [item.label() for item in renderer.legendSymbolItems()],
        "temporal": [times.isActive(), times.mode(), times.startField(), times.endField()],
        "labels": layer.labelsEnabled(),
        "label": layer.labeling().settings().fieldName if layer.labeling() else None,
        "aliases": [f.alias() for f in layer.fields()][:6],
    }
    wrong = [] if is_styled else [f"{name}: the file has no default style"]
    if renderer.type() != RENDERERS[name]:
        wrong.append(f"{name}: renderer is {renderer.type()}, not {RENDERERS[name]}: the style was not read")
    if not symbols or any(s.symbolLayerCount() == 0 for s in symbols):
        wrong.append(f"{name}: a symbol has no layer")
    fields = layer.fields().names()
    if not times.isActive() or times.mode() != FROM_FIELDS or not {times.startField(), times.endField()} <= set(fields):
        wrong.append(f"{name}: times are not active, or name fields that are not there")
    if layer.labelsEnabled() and layer.labeling() is None:
        wrong.append(f"{name}: labels are on, but there are none")
    return layer, said, wrong


def draw(layers: list[QgsVectorLayer], picture: str, when: QgsDateTimeRange | None) -> bytes:
    """Draw the layers, the last on top, and return the dots; `when` is what the temporal controller would set."""
    settings = QgsMapSettings()
    settings.setLayers(layers[::-1])
    settings.setOutputSize(QSize(1400, 1000))
    settings.setBackgroundColor(QColor("white"))
    settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    settings.setExtent(QgsRectangle(129.8, 41.6, 133.6, 43.5))
    settings.setLabelingEngineSettings(QgsLabelingEngineSettings())
    settings.setFlag(QgsMapSettings.DrawLabeling, True)
    if when is not None:
        settings.setIsTemporal(True)
        settings.setTemporalRange(when)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(picture)
    return bytes(image.constBits().asstring(image.sizeInBytes()))


def _utc(year: int, month: int, day: int) -> QDateTime:
    return QDateTime(QDate(year, month, day), QTime(0, 0), Qt.UTC)


def main(path: str, picture: str) -> int:
    application = QgsApplication([], False)
    application.initQgis()
    found = {name: look(path, name) for name in RENDERERS}
    layers = [layer for layer, _, _ in found.values() if layer.isValid()]
    whole = draw(layers, picture, None)
    day = QgsDateTimeRange(_utc(2019, 3, 10), _utc(2019, 3, 11))
    one_day = draw(layers, picture.replace(".png", "-day.png"), day)
    wrong = [line for _, _, lines in found.values() for line in lines]
    layer = None
    for layer in [one for one in layers if one.labelsEnabled()]:
        with_labels = draw([layer], picture.replace(".png", "-label.png"), None)
        layer.setLabelsEnabled(False)
        if with_labels == draw([layer], picture.replace(".png", "-label.png"), None):
            wrong.append(f"{layer.name()}: no label is drawn")
    if whole == one_day:
        wrong.append("the map of one day looks like that of all days: times do not filter")
    answer = {"qgis": Qgis.QGIS_VERSION, "layers": {n: said for n, (_, said, _) in found.items()}, "wrong": wrong}
    sys.stdout.write(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    # The application must go last: Python would otherwise let go of a layer after it.
    layer = None
    del layers, found
    application.exitQgis()
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
