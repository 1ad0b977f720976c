"""Language models that rewrite prompts, and what their replies go through before anything is rendered.

parse       a reply, however it is laid out, as a list of prompts
text_gate   is a rewrite still about the base prompt, and is it a prompt at all?
templates   the editable texts in prompts/
request     the paper's instruction, filled
openings    how a small model is made to build on what scored best
fewshot     their short samples, put together to prompts
smollm      a language model in this process (imports torch; import it where it is needed)
server      a language model on any OpenAI-compatible server (client: the requests)
vllm        vLLM, started and stopped by steer (vllm_server: the process; vllm_guard: what ends it)
"""

from steer.gates.replies import parse
from steer.gates.text import TextGate, normalize

__all__ = ["TextGate", "normalize", "parse"]
