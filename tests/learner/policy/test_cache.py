"""The KV caches of running games."""

import torch

from learner.policy.cache import GROWTH_TOKENS, KVCache, KVCacheStore


def written(held: KVCache, first: int, count: int) -> torch.Tensor:
    """Writes tokens numbered from `first` to two layers; gives the content of the second layer."""
    tokens = torch.arange(first, first + count, dtype=torch.float)[None, :, None].expand(2, -1, 3)
    held.write(0, tokens, -tokens)
    keys, values = held.write(1, tokens, -tokens)
    assert torch.equal(keys, -values)
    return keys[0, :, 0]


def test_keys_and_values_grow_in_place_and_keep_what_was_chosen():
    held = KVCache()
    written(held, 0, 5)
    held.keep([0, 1, 4])
    assert written(held, 10, 2 * GROWTH_TOKENS).tolist() == [0, 1, 4, *range(10, 10 + 2 * GROWTH_TOKENS)]
    held.keep(range(GROWTH_TOKENS))
    held.cut(4)
    assert written(held, 500, 2).tolist() == [0, 1, 4, 10, 500, 501]
    assert held.length == 4  # no more tokens were kept
    assert [part[0, :, 0].tolist() for part in held.layer(0)] == [[0, 1, 4, 10], [0, -1, -4, -10]]


def test_only_one_turn_at_a_time_writes_to_a_cache():
    cache, held = KVCacheStore(), KVCache()
    written(held, 0, 3)
    held.keep(range(3))
    cache.put("game", "base", ("board",), (1, 2, 3), held)
    taken = cache.take("game", "base", ("board",), (1, 2, 9, 9), least=1)
    assert taken is held
    assert taken.length == 2
    assert cache.take("game", "base", ("board",), (1, 2, 9, 9), least=1).length == 0
    cache.put("game", "base", ("board",), (1, 2, 9), held)
    assert cache.take("game", "base", ("another board",), (1, 2, 9, 9), least=1).length == 0


def test_caches_are_dropped_with_their_game_by_number_by_size_and_by_age():
    def held() -> KVCache:
        held = KVCache()
        held.write(0, torch.zeros(1, 1024, 64), torch.zeros(1, 1024, 64))  # half a megabyte
        held.keep(range(1024))
        return held

    def known(cache: KVCacheStore) -> list[str]:
        """Its elements, without duplicates."""
        return [game for game in "abcd" if cache.take(game, "base", (), (1, 2), 1).length]

    cache = KVCacheStore(entries=3, megabytes=1)
    for game in "abcd":
        cache.put(game, "base", (), (1,), held())
    cache.end("c")
    assert known(cache) == ["d"]
    assert known(cache) == []
    few = KVCacheStore(entries=3)
    for game in "abcd":
        few.put(game, "base", (), (1,), held())
    assert known(few) == ["b", "c", "d"]
    stale = KVCacheStore(seconds=0.0)
    stale.put("a", "base", (), (1,), held())
    assert known(stale) == []
