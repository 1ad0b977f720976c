"""Whose taste: known, new, group and population, and the sentences that describe them."""

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_people, tiny_predictor

from reward.errors import BadContext, EmptyGroup, UnknownPerson
from reward.people.descriptions import (
    MetadataVocabulary,
    demographics_sentence,
    demographics_variants,
    metadata_sentence,
)
from reward.people.person import (
    Person,
    find_group,
    find_known,
    interpolate_user,
    natural_order,
    preference_profile,
)


@pytest.fixture
def predictor(tmp_path):
    return tiny_predictor(tmp_path)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)) for _ in range(count)]


def test_a_new_user_follows_equation_1_written_as_a_loop():
    rng = np.random.default_rng(0)
    v, r = rng.normal(size=(15, 6)), rng.uniform(1, 5, 15)
    training_profiles, embeddings = rng.normal(size=(9, 6)), rng.normal(size=(9, 4))
    K, tau = 5, 0.1

    weighted, total = np.zeros(6), 0.0
    for i in range(15):
        weighted += r[i] * v[i]
        total += r[i]
    p_hat = weighted / total
    cosines = []
    for p in training_profiles:
        cosines.append(sum(p * p_hat) / (sum(p * p) ** 0.5 * sum(p_hat * p_hat) ** 0.5))
    nearest = sorted(range(9), key=lambda n: -cosines[n])[:K]
    denominator = sum(np.exp(cosines[j] / tau) for j in nearest)
    e_hat = sum(np.exp(cosines[n] / tau) / denominator * embeddings[n] for n in nearest)

    profile = preference_profile(v, r)
    np.testing.assert_allclose(profile, p_hat, rtol=1e-5)
    np.testing.assert_allclose(interpolate_user(p_hat, training_profiles, embeddings), e_hat, rtol=1e-5)


def test_a_low_temperature_takes_the_nearest_user_and_does_not_overflow():
    profiles, users = np.eye(4), np.arange(8.0).reshape(4, 2)
    found = interpolate_user(np.array([0.1, 1.0, 0, 0]), profiles, users, temperature=1e-4)
    np.testing.assert_allclose(found, users[1])


def test_more_neighbours_than_users_takes_all_of_them():
    users = np.ones((3, 2))
    np.testing.assert_allclose(interpolate_user(np.ones(4), np.eye(4)[:3], users, neighbours=5), [1, 1])


def test_equal_ratings_give_the_plain_mean():
    features = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(preference_profile(features, [2, 2, 2, 2]), features.mean(0), rtol=1e-6)


@pytest.mark.parametrize(
    ("ratings", "says"),
    [
        ([], "rate at least one"),
        ([3, 4], "one rating for each"),
        ([0.5], "1 to 5"),
        ([float("nan")], "1 to 5"),
    ],
)
def test_ratings_that_describe_no_taste_are_one_clear_error(ratings, says):
    with pytest.raises(BadContext, match=says):
        preference_profile(np.ones((0 if not ratings else 1, 3)), ratings)


def test_a_known_user_is_found_by_exact_id_before_position():
    people = tiny_people(5)
    assert find_known(people, "3") == 2
    renamed = [type(p)(id, p.demographics, p.ratings) for p, id in zip(people, "54321", strict=True)]
    assert find_known(renamed, "5") == 0
    lettered = [type(p)(f"p{p.id}", p.demographics, p.ratings) for p in people]
    assert find_known(lettered, "p3") == find_known(lettered, "3") == 2


@pytest.mark.parametrize("user", ["6", "0", "", "anna", "²", "-1"])
def test_an_unknown_user_is_told_where_to_look(user):
    with pytest.raises(UnknownPerson, match="steer people list"):
        find_known(tiny_people(5), user)


def test_ids_are_ordered_with_their_numbers_as_numbers():
    assert natural_order(["p10", "p2", "10", "9", "q"]) == ["9", "10", "p2", "p10", "q"]


def test_a_group_holds_everyone_of_an_age_both_ends_included_and_nobody_of_unknown_age():
    people = tiny_people(20)
    rows = find_group(people, age=(19, 26))
    assert rows and all(19 <= people[row].demographics["age"] <= 26 for row in rows)
    everyone = find_group(people, age=(0, 120))
    assert len(everyone) == 19


def test_a_group_can_be_narrowed_by_gender_and_nationality_in_any_case():
    people = tiny_people(20)
    rows = find_group(people, gender="Female", nationality="ghana")
    assert rows and {people[row].demographics["nationality"] for row in rows} == {"Ghana"}


def test_a_group_of_nobody_and_a_reversed_range_are_clear_errors():
    with pytest.raises(EmptyGroup, match="steer people list"):
        find_group(tiny_people(), age=(90, 99))
    with pytest.raises(EmptyGroup, match="--age 18-25"):
        find_group(tiny_people(), age=(25, 18))
    with pytest.raises(EmptyGroup, match="--age"):
        find_group(tiny_people())


def test_a_group_is_the_mean_of_its_members_with_a_sentence_of_its_own(predictor):
    group = predictor.group(age=(18, 30), gender="female")
    rows = find_group(predictor.people, (18, 30), "female")
    members = np.stack([predictor.person(predictor.people[row].id).user for row in rows])
    np.testing.assert_allclose(group.user, members.mean(0), rtol=1e-5)
    assert group.label == f"sandbox:age 18-30, female ({len(rows)} people)"
    assert group.size == len(rows)
    assert group.demographics.shape == (384,)


def test_the_population_has_neither_user_nor_demographics(predictor):
    population = Person.population(predictor)
    assert population.user is None and population.demographics is None
    assert population.label == "sandbox:population"


def test_someone_who_tells_nothing_has_a_user_token_only(predictor):
    last = predictor.person("20")
    assert last.user is not None and last.demographics is None


def test_by_the_papers_way_a_new_person_is_a_mix_of_the_nearest_known_people(predictor):
    images, ratings = pictures(6), [1, 2, 3, 4, 5, 5]
    person = Person.new(predictor, images, ratings, name="me", method="knn")
    profile = preference_profile(predictor.image_features(images), ratings)
    expected = interpolate_user(profile, predictor.tables.profiles, predictor.model.users.weight.numpy())
    np.testing.assert_allclose(person.user, expected, rtol=1e-5)
    assert person.label == f"profile:me@{person.hash}"
    assert person.demographics is None


def test_equal_people_have_equal_hashes_and_others_do_not(predictor):
    known = [Person.known(user, predictor) for user in ("1", "1", "2")]
    assert known[0].hash == known[1].hash != known[2].hash
    assert len(known[0].hash) == 12


def test_demographics_become_a_sentence_and_unknown_fields_are_skipped():
    full = {"age": 34, "age_binned": "26-35", "gender": "female", "nationality": "Germany", "shoe_size": 38}
    assert demographics_sentence(full) == "A person, 34 years old, female, from Germany."
    assert demographics_sentence({"age_binned": "26-35", "gender": " "}) == "A person, 26-35 years old."
    assert demographics_sentence({"age": None, "gender": ""}) is None
    assert demographics_sentence(None) is None


def test_training_sees_sentences_of_single_fields_as_groups_have_them():
    variants = demographics_variants({"age": 34, "age_binned": "26-35", "gender": "female"})
    assert variants[0] == "A person, 34 years old, female."
    assert "A person, 26-35 years old." in variants
    assert demographics_variants({}) == []


def test_metadata_becomes_a_sentence_without_the_prompt():
    metadata = {"prompt": "a fox", "type": "Art", "group": "still life", "style": "Pop_Art"}
    assert metadata_sentence(metadata) == "An artwork, still life, in the style of Pop Art."
    photo = {"prompt": "a fox", "type": "Photorealism", "group": "animal", "style": None}
    assert metadata_sentence(photo) == "A photorealistic image, animal."
    assert metadata_sentence({"prompt": "a fox", "type": None}) is None


def test_metadata_is_inferred_field_by_field_and_a_photograph_has_no_style():
    vocabulary = MetadataVocabulary.of(
        [
            {"group": "food", "style": "Cubism", "type": "Art"},
            {"group": "animal", "style": "Realism", "type": "Art"},
            {"group": "animal", "style": None, "type": "Photorealism"},
        ]
    )
    queries = np.eye(6)  # animal, food, Cubism, Realism, Art, Photorealism
    art = queries[1] + queries[2] + queries[4]
    photo = queries[0] + queries[3] + queries[5]
    combinations = vocabulary.combinations()
    found = [combinations[i] for i in vocabulary.infer(np.stack([art, photo]), queries)]
    assert found == [
        {"group": "food", "style": "Cubism", "type": "Art"},
        {"group": "animal", "style": None, "type": "Photorealism"},
    ]
