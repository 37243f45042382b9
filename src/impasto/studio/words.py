"""What the page says, in its languages."""

from collections.abc import Mapping

WORDS: dict[str, dict[str, str]] = {
    "tagline": {
        "en": "One picture, painted in the manner of another.",
        "de": "Ein Bild, gemalt in der Art eines anderen.",
        "ko": "한 그림을 다른 그림의 화풍으로 그립니다.",
    },
    "photograph": {"en": "Photograph", "de": "Foto", "ko": "사진"},
    "paintings": {"en": "Painting (or several)", "de": "Gemälde (oder mehrere)", "ko": "그림 (여러 장도 가능)"},
    "photographs_to_try": {"en": "Photographs to try", "de": "Fotos zum Ausprobieren", "ko": "연습용 사진"},
    "paintings_to_try": {"en": "Paintings to try", "de": "Gemälde zum Ausprobieren", "ko": "연습용 그림"},
    "strength": {"en": "Strength", "de": "Stärke", "ko": "강도"},
    "strength_info": {
        "en": "0: a hint of the painting, 1: nearly all painting",
        "de": "0: ein Hauch vom Gemälde, 1: fast nur Gemälde",
        "ko": "0: 그림의 느낌만 살짝, 1: 거의 그림처럼",
    },
    "size": {"en": "Size (long side, px)", "de": "Größe (lange Seite, px)", "ko": "크기 (긴 변, px)"},
    "keep_colours": {"en": "Keep the photograph's colours", "de": "Farben des Fotos behalten", "ko": "사진의 색 유지"},
    "preset": {"en": "Preset", "de": "Voreinstellung", "ko": "프리셋"},
    "more": {"en": "More", "de": "Mehr", "ko": "더 보기"},
    "stroke_size": {"en": "Size of the strokes", "de": "Größe der Striche", "ko": "붓질의 크기"},
    "keep_lines": {"en": "Hold fine lines", "de": "Feine Linien halten", "ko": "가는 선 유지"},
    "seed": {"en": "Seed", "de": "Startwert", "ko": "시드"},
    "regions": {
        "en": "Paint parts differently",
        "de": "Teile anders malen",
        "ko": "부분마다 다르게 그리기",
    },
    "regions_info": {
        "en": "Paint over the photograph. Red: in the manner of the first painting, blue: of the second, yellow: of "
        "the third; grey: left as it is. The rest is in the manner of the paintings without a colour here, or of all.",
        "de": "Übermalen Sie das Foto. Rot: in der Art des ersten Gemäldes, Blau: des zweiten, Gelb: des dritten; "
        "Grau: bleibt, wie es ist. Der Rest wird in der Art der Gemälde gemalt, die hier keine Farbe haben, oder in "
        "der aller.",
        "ko": "사진 위에 칠하세요. 빨강: 첫째 그림, 파랑: 둘째 그림, 노랑: 셋째 그림의 화풍, 회색: 그대로 둡니다. "
        "칠하지 않은 곳은 여기서 색을 쓰지 않은 그림(없으면 모든 그림)의 화풍으로 그립니다.",
    },
    "paint": {"en": "Paint", "de": "Malen", "ko": "그리기"},
    "stop": {"en": "Stop", "de": "Anhalten", "ko": "멈추기"},
    "picture": {"en": "Picture", "de": "Bild", "ko": "결과"},
    "compare": {"en": "Before and after", "de": "Vorher und nachher", "ko": "전과 후"},
    "history": {"en": "Painted so far", "de": "Bisher gemalt", "ko": "지금까지 그린 것"},
    "again": {"en": "Again, with another seed", "de": "Noch einmal, mit anderem Startwert", "ko": "다른 시드로 다시"},
    "large": {"en": "Paint it large", "de": "Groß malen", "ko": "크게 그리기"},
    "large_size": {"en": "Large (px)", "de": "Groß (px)", "ko": "크게 (px)"},
    "idle": {
        "en": "Drop a photograph and a painting, or choose some, and press Paint.",
        "de": "Legen Sie ein Foto und ein Gemälde ab, oder wählen Sie welche, und drücken Sie auf Malen.",
        "ko": "사진과 그림을 끌어다 놓거나 고른 다음, 그리기를 누르세요.",
    },
    "waiting": {"en": "Waiting: {n} before yours", "de": "In der Reihe: {n} davor", "ko": "대기 중: 앞에 {n}개"},
    "begins": {"en": "It begins …", "de": "Es geht los …", "ko": "시작합니다 …"},
    "painting": {"en": "Painting, {w} × {h} px", "de": "Es wird gemalt, {w} × {h} px", "ko": "그리는 중, {w} × {h} px"},
    "stopping": {"en": "Stopping …", "de": "Es wird angehalten …", "ko": "멈추는 중 …"},
    "left": {"en": "about {time} left", "de": "noch etwa {time}", "ko": "약 {time} 남음"},
    "done": {"en": "Done, {w} × {h} px", "de": "Fertig, {w} × {h} px", "ko": "완성, {w} × {h} px"},
    "stopped": {"en": "Stopped, {w} × {h} px", "de": "Angehalten, {w} × {h} px", "ko": "멈춤, {w} × {h} px"},
    "stopped_early": {
        "en": "Stopped before there was a picture",
        "de": "Angehalten, bevor es ein Bild gab",
        "ko": "그림이 나오기 전에 멈췄습니다",
    },
    "failed": {"en": "It did not work: {why}", "de": "Es ging nicht: {why}", "ko": "실패했습니다: {why}"},
    "no_photograph": {
        "en": "First choose a photograph.",
        "de": "Wählen Sie zuerst ein Foto.",
        "ko": "먼저 사진을 고르세요.",
    },
    "no_painting": {
        "en": "First choose a painting.",
        "de": "Wählen Sie zuerst ein Gemälde.",
        "ko": "먼저 그림을 고르세요.",
    },
    "too_few_paintings": {
        "en": "A colour was used for a painting that is not there.",
        "de": "Eine Farbe steht für ein Gemälde, das nicht da ist.",
        "ko": "없는 그림의 색을 사용했습니다.",
    },
    "seconds": {"en": "{n} s", "de": "{n} s", "ko": "{n}초"},
    "minutes": {"en": "{n} min", "de": "{n} min", "ko": "{n}분"},
}
LANGUAGES = ("en", "de", "ko")


def by_language() -> dict[str, dict[str, str]]:
    """All words of each language."""
    return {language: {word: said[language] for word, said in WORDS.items()} for language in LANGUAGES}


def language_of(headers: Mapping[str, str]) -> str:
    """The language that a browser asks for first, of those that there are; else English."""
    for wanted in headers.get("accept-language", "").split(","):
        language = wanted.strip()[:2].lower()
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def say(word: str, language: str, **values: object) -> str:
    """A sentence in a language."""
    return WORDS[word][language].format(**values)


def duration(seconds: float, language: str) -> str:
    """A time in a language."""
    if seconds < 90:
        return say("seconds", language, n=max(1, round(seconds)))
    return say("minutes", language, n=round(seconds / 60))
