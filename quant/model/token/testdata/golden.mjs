// Writes tokenizers.json: small tokenizers of every kind, and what @huggingface/tokenizers (npm, 0.2.0) makes of texts.
//
//	cd $(mktemp -d) && npm install @huggingface/tokenizers@0.2.0 && cp PATH/golden.mjs . && node golden.mjs > PATH/tokenizers.json
//
// The vocabularies are learned here from the few sentences below, so nothing of anyone else's is in the file. Texts are
// left out where that library is known to differ from the one that tokenizer.json was made for (digits outside of ASCII,
// for instance).
import { Tokenizer } from "@huggingface/tokenizers";

const corpus = `Memories are rows with text, pictures and sound. A memory that nobody asks for is not lost: it is archived.
The database embeds text itself; it remembers what you've told it, and it doesn't forget. They'll ask, we'd answer.
There are 12 months, 365 days and 1440 minutes a day. In 2024 there were 366 days, because 2024 was a leap year.
Straße, naïve café, señor, Ærø; Привет мир, добрый день; 日本語 と 中文; 안녕하세요 세계. (brackets) [and] {braces}, "quotes"!
The theory of the thing is that then they think through thick and thin; nothing other than that. func main() { return x + y }`;

const texts = [
  "The memory of the database is lost.", "", " ", "  two  blanks ", "They'll think it's naïve, I'D SAY SO: we've, you're.",
  "tab\tand\nnewline\n\n  mixed \n x", "12345 67 8.90", "Straße Ærø CAFÉ café", "Привет, мир!", "日本語と中文", "안녕하세요 세계",
  "😀 smile 👩‍👩‍👧", "a'b''c 'squoted' 'T 'll", "func(x){return x+y;}", "http://example.org/a?b=c&d=e_f", "thethethethe", "zzzzqqqq", "#@$%^&*()",
  "   leading", "trailing   ", "\r\nline\r\n", "e\u0301 decomposed", "\u00a0nbsp\u00a0", "x\u200by", "word[MASK]word", "<|end|>x <|end|> y<|end|>",
  "supercalifragilistic".repeat(6), "don't won't can't", "A.B.C.", "½ ² Ⅷ", "ﬁne ① ｆｕｌｌ",
];

const byteRunes = (() => {
  const m = [];
  let next = 256;
  for (let c = 0; c < 256; c++) {
    const shown = (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
    m.push(String.fromCodePoint(shown ? c : next++));
  }
  return m;
})();
const visible = (s) => [...new TextEncoder().encode(s)].map((b) => byteRunes[b]).join("");

// learn makes n merges of words, each an array of symbols, in the order of frequency.
function learn(words, n) {
  const merges = [];
  words = words.map((w) => [...w]);
  for (let k = 0; k < n; k++) {
    const count = new Map();
    for (const w of words) for (let i = 0; i + 1 < w.length; i++) count.set(w[i] + " " + w[i + 1], (count.get(w[i] + " " + w[i + 1]) ?? 0) + 1);
    const best = [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0];
    if (!best || best[1] < 2) break;
    const [l, r] = best[0].split(" ");
    merges.push(best[0]);
    for (const w of words) for (let i = 0; i + 1 < w.length; i++) if (w[i] === l && w[i + 1] === r) w.splice(i, 2, l + r);
  }
  return merges;
}
const number = (pieces) => Object.fromEntries([...new Set(pieces)].map((p, i) => [p, i]));
const added = (id, content, more) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...more });
const file = (o) => ({ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...o });

const gpt2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const byteMerges = learn(corpus.match(gpt2).map(visible), 220);
const byteVocab = number([...byteRunes, ...byteMerges.map((m) => m.replace(" ", ""))]);
const end = added(Object.keys(byteVocab).length, "<|end|>");
const bytePair = { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab: byteVocab, merges: byteMerges };
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const split = (Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });

const marked = corpus.replaceAll(" ", "▁").replaceAll("\n", "▁");
const spMerges = learn(marked.split(/(?=▁)/), 200);
const hex = (b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`;
const spVocab = number(["<unk>", "<s>", "</s>", ...Array.from({ length: 256 }, (_, b) => hex(b)), ..."▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;'!?", ...spMerges.flatMap((m) => [...m.split(" "), m.replace(" ", "")])]);
const spSpecials = [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")];
const spDecoder = { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }, { type: "Strip", content: " ", start: 1, stop: 0 }] };
const template = (a, b, ids) => ({
  type: "TemplateProcessing",
  single: [...(a ? [{ SpecialToken: { id: a, type_id: 0 } }] : []), { Sequence: { id: "A", type_id: 0 } }, ...(b ? [{ SpecialToken: { id: b, type_id: 0 } }] : [])],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: Object.fromEntries([a, b].filter(Boolean).map((t) => [t, { id: t, ids: [ids[t]], tokens: [t] }])),
});

const plain = corpus.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
const words = plain.match(/[^\s\p{P}+]+/gu);
const wordPieces = (cased) => {
  const w = cased ? corpus.match(/[^\s\p{P}+]+/gu) : words;
  const letters = [...new Set((cased ? corpus : plain).replace(/\s/gu, ""))].sort();
  const parts = w.flatMap((x) => [[...x].slice(0, 3).join(""), "##" + [...x].slice(3).join("")]).filter((x) => x !== "##");
  return number(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...letters, ...letters.map((l) => "##" + l), ...w.filter((x, i) => i % 2), ...parts]);
};
const bert = (vocab, normalizer, post) => file({
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map((t, i) => added(i, t, t === "[MASK]" ? { lstrip: true } : {})),
  normalizer, pre_tokenizer: { type: "BertPreTokenizer" }, post_processor: post, decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab },
});
const normalizer = { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true };

const uniPieces = [["<s>", 0], ["<pad>", 0], ["</s>", 0], ["<unk>", 0], ...[...new Set(marked)].map((c, i) => [c, -6 - i / 64]),
  ...spMerges.map((m, i) => [m.replace(" ", ""), -3 - i / 48]).filter(([p]) => [...p].length > 1)];
const unigram = (bytes) => ({ type: "Unigram", unk_id: 3, vocab: bytes ? [...uniPieces, ...Array.from({ length: 256 }, (_, b) => [hex(b), 0])] : uniPieces, byte_fallback: bytes });
const metaspace = (scheme, s = true) => ({ type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: s });

const all = {
  "bert uncased": bert(wordPieces(false), normalizer, template("[CLS]", "[SEP]", { "[CLS]": 2, "[SEP]": 3 })),
  "bert cased": bert(wordPieces(true), { ...normalizer, lowercase: false }, { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] }),
  "gpt2": file({ added_tokens: [end], pre_tokenizer: byteLevel, post_processor: byteLevel, decoder: byteLevel, model: bytePair }),
  "roberta": file({ added_tokens: [end], pre_tokenizer: { ...byteLevel, add_prefix_space: true }, post_processor: { type: "RobertaProcessing", sep: ["<|end|>", end.id], cls: ["!", 33], trim_offsets: true, add_prefix_space: true }, decoder: byteLevel, model: bytePair }),
  "llama3": file({ added_tokens: [end], pre_tokenizer: { type: "Sequence", pretokenizers: [split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"), { ...byteLevel, use_regex: false }] }, post_processor: { type: "Sequence", processors: [byteLevel, template("<|end|>", "", { "<|end|>": end.id })] }, decoder: byteLevel, model: { ...bytePair, ignore_merges: true, merges: byteMerges.map((m) => m.split(" ")) } }),
  "qwen2": file({ added_tokens: [end], normalizer: { type: "NFC" }, pre_tokenizer: { type: "Sequence", pretokenizers: [split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"), { ...byteLevel, use_regex: false }] }, post_processor: byteLevel, decoder: byteLevel, model: bytePair }),
  "smol": file({ added_tokens: [end], pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel] }, decoder: byteLevel, model: bytePair }),
  "llama2": file({ added_tokens: spSpecials, normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }] }, post_processor: template("<s>", "", { "<s>": 1 }), decoder: spDecoder, model: { ...bytePair, unk_token: "<unk>", fuse_unk: true, byte_fallback: true, vocab: spVocab, merges: spMerges } }),
  "metaspace pairs": file({ added_tokens: spSpecials, pre_tokenizer: metaspace("first", false), decoder: spDecoder, model: { ...bytePair, unk_token: "<unk>", fuse_unk: true, vocab: spVocab, merges: spMerges } }),
  "unigram": file({ added_tokens: [added(0, "<s>"), added(1, "<pad>"), added(2, "</s>"), added(3, "<unk>")], normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }, { type: "Replace", pattern: { Regex: " {2,}" }, content: " " }] }, pre_tokenizer: metaspace("always"), post_processor: template("<s>", "</s>", { "<s>": 0, "</s>": 2 }), decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true }, model: unigram(false) }),
};

const out = {};
for (const [name, tokenizer] of Object.entries(all)) {
  const t = new Tokenizer(structuredClone(tokenizer), {});
  out[name] = { tokenizer, cases: texts.map((text) => {
    const { ids } = t.encode(text);
    return { text, ids, decoded: ids.length === 0 ? "" : t.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }) };
  }) };
}
console.log("{" + Object.entries(out).map(([name, { tokenizer, cases }]) => `\n${JSON.stringify(name)}: {"tokenizer": ${JSON.stringify(tokenizer)},\n "cases": [\n${cases.map((c) => "  " + JSON.stringify(c)).join(",\n")}\n ]}`).join(",") + "\n}");
