"""The page of a demo holds its data and its prompt as text."""

from __future__ import annotations

import json
import re

from fastlm.pictures.demo_page import demo_page
from tests.pictures.scenes import fetches_nothing


def test_data_and_prompt_stay_text():
    data = {"title": "<t>", "about": "a & b", "footer": "</footer>", "names": ["</script>", "<!--"]}
    page = demo_page(data, prompt="</textarea><script>")
    assert page.count("<script") == 2
    assert page.count("<footer>") == 1
    assert "&lt;/textarea&gt;" in page
    (content,) = re.findall(r'id="model">(.*?)</script>', page)
    assert json.loads(content) == data
    assert fetches_nothing(page)
    for name in ("class Model", "class Tokenizer", "class Demo"):
        assert page.count(name) == 1
