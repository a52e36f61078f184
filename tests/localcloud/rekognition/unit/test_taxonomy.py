import re
from collections import Counter
from pathlib import Path

import pytest

from localcloud.rekognition.taxonomy import Taxonomy, TaxonomyError
from tests.helpers.rekognition.shapes import MODEL

TAXONOMY = Taxonomy.load()
FILTER = MODEL.shape_for("GeneralLabelsFilterValue")

# The label categories that the developer guide of Amazon Rekognition lists.
CATEGORIES = {
    "Actions",
    "Animals and Pets",
    "Apparel and Accessories",
    "Beauty and Personal Care",
    "Buildings and Architecture",
    "Colors and Visual Composition",
    "Damage Detection",
    "Education",
    "Events and Attractions",
    "Everyday Objects",
    "Expressions and Emotions",
    "Food and Beverage",
    "Furniture and Furnishings",
    "Health and Fitness",
    "Hobbies and Interests",
    "Home Appliances",
    "Home and Indoors",
    "Kitchen and Dining",
    "Materials",
    "Medical",
    "Nature and Outdoors",
    "Offices and Workspaces",
    "Patterns and Shapes",
    "Performing Arts",
    "Person Description",
    "Plants and Flowers",
    "Popular Landmarks",
    "Profession",
    "Public Safety",
    "Religion",
    "Sports",
    "Symbols and Flags",
    "Technology and Computing",
    "Text and Documents",
    "Tools and Machinery",
    "Toys and Gaming",
    "Transport and Logistics",
    "Travel and Adventure",
    "Vehicles and Automotive",
    "Weapons and Military",
}


def test_every_class_of_the_classifier_has_a_label_or_is_unmapped_on_purpose() -> None:
    mapped = Counter(
        number for entry in TAXONOMY.labels.values() for number in entry.imagenet_classes
    )
    mapped.update(TAXONOMY.unmapped_imagenet_classes)
    assert mapped == Counter(range(1000))


def test_every_class_of_the_detector_has_one_label() -> None:
    mapped = Counter(number for entry in TAXONOMY.labels.values() for number in entry.coco_classes)
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # numbers that COCO does not use
    assert mapped == Counter(set(range(1, 91)) - gaps)


def test_every_label_has_one_of_rekognitions_categories() -> None:
    assert {entry.category for entry in TAXONOMY.labels.values()} <= CATEGORIES


def test_a_label_inherits_all_ancestors_of_its_ancestors() -> None:
    for entry in TAXONOMY.labels.values():
        assert entry.name not in entry.ancestors
        assert len(set(entry.ancestors)) == len(entry.ancestors)
        for ancestor in entry.ancestors:
            assert set(TAXONOMY.labels[ancestor].ancestors) <= set(entry.ancestors)


def test_names_are_capitalized_and_fit_a_filter() -> None:
    for name in TAXONOMY.labels:
        assert name == name.strip()
        assert name[0].isupper()
        assert len(name) <= FILTER.metadata["max"]
        assert re.fullmatch(FILTER.metadata["pattern"], name)


def test_no_alias_is_another_label() -> None:
    for entry in TAXONOMY.labels.values():
        assert not set(entry.aliases) & set(TAXONOMY.labels)


@pytest.mark.parametrize(
    ("name", "ancestors"),
    [
        ("Cat", {"Mammal", "Pet", "Animal"}),
        ("Beagle", {"Hound", "Dog", "Canine", "Pet", "Mammal", "Animal"}),
        ("Coffee Cup", {"Cup"}),
        ("Espresso", {"Coffee", "Coffee Cup", "Cup", "Beverage"}),
        ("Car", {"Vehicle", "Transportation"}),
        ("Daisy", {"Flower", "Plant"}),
        ("Missile", {"Rocket", "Ammunition", "Weapon"}),
        ("Person", set()),
    ],
)
def test_known_labels_have_rekognitions_ancestors(name: str, ancestors: set[str]) -> None:
    assert set(TAXONOMY.labels[name].ancestors) == ancestors


def test_no_label_is_named_container() -> None:
    assert "Container" not in TAXONOMY.labels


def test_the_classes_of_a_label_include_those_of_its_descendants() -> None:
    below = TAXONOMY.imagenet_indices_below
    assert {281, 282, 283, 284, 285} == set(below["Cat"])
    assert set(below["Cat"]) < set(below["Mammal"]) < set(below["Animal"])
    assert set(below["Person"]) == {981, 982}


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (["Cat\tMammal"], "Mammal, which is not a label"),
        (["Cat\tPet", "Pet\tCat"], "its own ancestor"),
        (["Cat", "Cat"], "is there twice"),
        (["Cat\t\t\t\t\t\tmore"], "7 columns"),
    ],
)
def test_an_inconsistent_file_is_rejected(rows: list[str], error: str, tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.tsv"
    file.write_text("# a comment\n\n" + "\n".join(rows) + "\n")
    with pytest.raises(TaxonomyError, match=error):
        Taxonomy.load(file)
