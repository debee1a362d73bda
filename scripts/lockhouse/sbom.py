"""The SBOM of a bundle: CycloneDX 1.6 as JSON, the same bytes for the same wheels, with no serial number and no time.

Refuses in plain words where cyclonedx-python-lib is missing, which the extra `lockhouse[sbom]` brings.
"""

import json
from collections.abc import Iterator
from typing import Any

from packaging.utils import NormalizedName

from lockhouse import __version__
from lockhouse.bundle import Contents, Packed
from lockhouse.errors import UsageError
from lockhouse.metadata import Metadata

FILENAME = "sbom.cdx.json"


def sbom(contents: Contents) -> str:
    """Return the SBOM of what is in a bundle: every wheel, what it requires there, and which were built here.

    Licences are those that the wheels' METADATA declares, nothing is guessed. Raises UsageError without the library.
    """
    try:
        from cyclonedx.model.bom import Bom  # noqa: PLC0415 - an extra that most installs do without
        from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
        from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"--sbom needs cyclonedx-python-lib, which cannot be imported: {error}",
            hint="install lockhouse[sbom] in place of lockhouse",
        ) from error
    bom = Bom()
    root = Component(name=contents.name, type=ComponentType.APPLICATION, bom_ref=contents.name)
    bom.metadata.component = root
    bom.metadata.tools.components.add(
        Component(name="lockhouse", version=__version__, type=ComponentType.APPLICATION, bom_ref="lockhouse")
    )
    parts = {each.need.name: _component(each) for each in contents.packed}
    top = [parts[name] for name in sorted(_asked_for(contents)) if name in parts]
    if contents.pip.stored not in [each.stored for each in contents.packed]:
        installer = _component(contents.pip)
        bom.components.add(installer)
        top.append(installer)
    for part in parts.values():
        bom.components.add(part)
        bom.register_dependency(part)
    bom.register_dependency(root, top)
    for graph in contents.graphs:
        for name, edges in graph.edges.items():
            below = sorted({edge.name for edge in edges} & parts.keys())
            bom.register_dependency(parts[name], [parts[each] for each in below])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # The library makes both up, anew each time; neither says anything about the bundle.
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _asked_for(contents: Contents) -> set[NormalizedName]:
    """Return the projects that the layers' sources name, or all of them where a layer has no sources."""
    found: set[NormalizedName] = set()
    for layer in contents.layers:
        found |= {line.name for line in layer.requirements} if layer.sources else {pin.name for pin in layer.pins}
    return found


def _component(each: Packed) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    version = str(each.stored.wheel.version)
    purl = PackageURL(type="pypi", name=each.need.name, version=version)
    built = [Property(name="lockhouse:built-from", value=f"{each.sdist} {each.locked}")] if each.sdist else []
    return Component(
        name=each.need.name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.stored.sha256.hex)],
        licenses=_licences(each.metadata),
        properties=[Property(name="lockhouse:wheel", value=each.stored.filename), *built],
    )


def _licences(metadata: Metadata) -> list[Any]:
    from cyclonedx import spdx  # noqa: PLC0415 - as above
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression  # noqa: PLC0415

    def read() -> Iterator[Any]:
        for text in metadata.licences:
            if known := spdx.fixup_id(text):
                yield DisjunctiveLicense(id=known)
            elif len(metadata.licences) == 1 and spdx.is_expression(text):
                yield LicenseExpression(text)
            else:
                yield DisjunctiveLicense(name=text)

    return list(read())
