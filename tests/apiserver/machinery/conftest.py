"""A small contract in files, as ``openapi/`` has it."""

from pathlib import Path

import pytest

from apiserver.machinery.schema import Catalogue

META = """
package: io.k8s.meta.v1
group: ""
version: meta
definitions:
  ObjectMeta:
    type: object
    properties:
      name: {type: string}
      creationTimestamp: {type: string, format: date-time, nullable: true}
      labels: {type: object, additionalProperties: {type: string}}
"""

ZOO = """
package: io.zoo.v1
group: zoo.io
version: v1
kinds: [Zoo]
definitions:
  Zoo:
    type: object
    required: [spec]
    properties:
      metadata: {$ref: "../meta/v1.yaml#/definitions/ObjectMeta"}
      spec: {$ref: "#/definitions/Spec"}
  Spec:
    type: object
    required: [cages]
    properties:
      cages:
        type: array
        maxItems: 3
        items: {$ref: "#/definitions/Cage"}
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
      open: {type: boolean}
      motto: {type: string, nullable: true}
      tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
      anything: {type: object, x-kubernetes-preserve-unknown-fields: true}
      pet:
        type: object
        x-kubernetes-embedded-resource: true
        properties: {age: {type: integer, format: int64}}
  Cage:
    type: object
    required: [name]
    properties:
      name: {type: string, pattern: "^[a-z]+$", maxLength: 8}
      bars: {type: integer, format: int32, minimum: 1, default: 8}
      lock: {type: string, enum: [Open, Shut], default: Shut}
      size: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
      inner: {$ref: "#/definitions/Cage", description: Cages within cages.}
      keeper: {$ref: "#/definitions/Keeper", default: {}}
  Keeper:
    type: object
    properties: {title: {type: string, default: Keeper}}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("meta", META), ("zoo", ZOO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "v1.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def catalogue(directory: Path) -> Catalogue:
    return Catalogue.load(directory)
