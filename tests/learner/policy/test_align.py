from collections import Counter

from games.figures import open_images
from learner.policy.tiny.align import NAMED, figures_to_learn

images = open_images("classic:40")
FIGURES = [images[figure] for figure in images.ids]


def test_names_are_learnt_more_often_than_other_descriptions():
    learnt = figures_to_learn(FIGURES, [figure.words for figure in FIGURES], seed=0)
    for figure, described in zip(FIGURES, learnt, strict=True):
        times = Counter(described.words)
        assert set(times) == {*figure.words}
        assert {times[text] for text in figure.descriptions} == {1}
        assert len({times[name] for name in figure.names}) == 1
        assert NAMED <= sum(times[name] for name in figure.names) / times.total() < NAMED + 0.1


def test_names_that_are_not_known_are_not_learnt():
    known = [[figure.descriptions[0], figure.descriptions[1]] for figure in FIGURES]
    assert [[*described.words] for described in figures_to_learn(FIGURES, known, seed=0)] == known
    one = [[figure.descriptions[0], figure.names[2]] for figure in FIGURES]
    assert [[*described.words] for described in figures_to_learn(FIGURES, one, seed=0)] == one
    names = [[*figure.names] for figure in FIGURES]
    assert [[*described.words] for described in figures_to_learn(FIGURES, names, seed=0)] == names
