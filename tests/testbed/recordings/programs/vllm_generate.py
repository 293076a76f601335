"""Starts vLLM on this machine's CPU with the model in the folder `model`, and answers some prompts."""

from vllm import LLM, SamplingParams

if __name__ == "__main__":
    model = LLM("model", max_model_len=256, enforce_eager=True)
    model.generate([f"word{number} word1" for number in range(12)], SamplingParams(max_tokens=16, ignore_eos=True))
