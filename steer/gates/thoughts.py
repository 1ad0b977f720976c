"""What a reasoning model says to itself, told from what it answers.

Known marks: `<think>` and its like in angle brackets, `[THINK]`, `◁think▷`, `<|begin_of_thought|>`, the
channels of gpt-oss and Gemma, "Reasoning: … Final answer: …", `<answer>`. Thoughts without an end reach to
the end of the reply; an end without a beginning makes a thought of everything before it. Linear in time: no
pattern here can match the same text in two ways.
"""

from __future__ import annotations

import re

_NAMES = "think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad|ant_?thinking|seed:think|internal"
_MARK = re.compile(
    rf"""
    [<\[◁](?=/?[a-z|])(?:
      (?<=<)  (?P<close>/)? (?:{_NAMES}) >
    | (?<=\[) (?P<close2>/)? think(?:ing)? \]
    | (?<=◁)  (?P<close3>/)? think ▷
    | (?<=<)  \| (?:begin_of_thought|think|channel>thoughts?) \|?>?
    | (?<=<)  (?P<close4>\|end_of_thought\||\|/think\||channel\|) >
    )""",
    re.IGNORECASE | re.VERBOSE,
)
# gpt-oss: <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
_CHANNEL = re.compile(r"<\|channel\|>\s?(\w{1,20})(?:[^<\n]|<\|constrain\|>){0,60}<\|message\|>")
# The same where a server has dropped the marks themselves: "analysisThe user wants … assistantfinal1. …"
_BARE_CHANNEL = re.compile(r"\s{0,9}analysis(?=[A-Z\"'])")
_TOKEN = re.compile(
    r"<\|(?:start|im_start|start_header_id)\|>\s?(?:assistant|user|system)?|"
    r"<(?:\|[a-z_]{1,30}\||/?s|eos|bos|end_of_turn|start_of_turn)>"
)
_ANSWER = re.compile(r"<(/?)(?:final_)?(?:answer|response|output|result|solution)>", re.IGNORECASE)
_HEADING = r"(?m:^)[#*_> \t]{0,9}"
_REASONING = re.compile(
    rf"\s*+{_HEADING}(?:my |here (?:is|are) my )?"
    r"(?:reasoning|thoughts?|thinking|thought process|chain of thought|analysis|rationale)[*_ ]{0,4}:",
    re.IGNORECASE,
)
_FINAL = re.compile(
    rf"{_HEADING}(?:(?:my |the |here (?:is|are) (?:my|the) )?(?P<sure>final )?"
    r"(?:answer|response|output|list|prompts?|variations?|rewrites?))[*_ ]{0,4}(?::|(?m:$))[*_]{0,3}",
    re.IGNORECASE,
)


def answer(reply: str) -> str:
    """The part of a reply that is meant for its reader; empty if it is all thoughts."""
    text = _spoken(_last_channel(reply))
    text = _TOKEN.sub("\n", text)
    reasoned = muses(text)
    ends = [found.end() for found in _FINAL.finditer(text) if reasoned or found["sure"]]
    return _unwrapped(text[ends[-1] :] if ends else text)


def muses(text: str) -> bool:
    """True if the text begins with a heading like "Reasoning:"."""
    return _REASONING.match(text) is not None


def _last_channel(reply: str) -> str:
    channels = list(_CHANNEL.finditer(reply))
    if channels:
        finals = [channel for channel in channels if channel[1] == "final"]
        return reply[finals[-1].end() :].partition("<|")[0] if finals else ""
    if _BARE_CHANNEL.match(reply):
        return reply.rpartition("assistantfinal")[2] if "assistantfinal" in reply else ""
    return reply


def _spoken(text: str) -> str:
    """`text` without the stretches that are marked as thoughts."""
    kept: list[str] = []
    position, thinking = 0, False
    for mark in _MARK.finditer(text):
        if mark.lastgroup is not None:  # an end
            if not thinking:
                kept.clear()
            thinking, position = False, mark.end()
        elif not thinking:
            kept.append(text[position : mark.start()])
            thinking = True
    return "\n".join(kept if thinking else [*kept, text[position:]])


def _unwrapped(text: str) -> str:
    """What stands in `<answer>` tags, if any do; without its end the last of them reaches to the end."""
    inside: list[str] = []
    start = None
    for tag in _ANSWER.finditer(text):
        if not tag[1]:
            start = tag.end()
        elif start is not None:
            inside.append(text[start : tag.start()])
            start = None
    if start is not None:
        inside.append(text[start:])
    return "\n".join(inside) if inside else text
