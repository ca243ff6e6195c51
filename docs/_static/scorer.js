// Orders the hits of the search: tasks and answers come before the reference, and what is for developers comes last.
const RANKS = [
  [/^(development|benchmarks.*|errors|bad-input|nist|guesses)$/, 0.2],
  [/^howto\/command$/, 1.2],
  [/^howto\//, 3],
  [/^(start|which)$/, 3],
  [/^faq\/index$/, 0.5],
  [/^faq\//, 3],
  [/^(guide|formulas|models|porting.*|generated\/tutorials\/.*)$/, 2],
  [/^glossary$/, 1.5],
];

var Scorer = {
  score: ([docname, title, anchor, descr, score]) => {
    const found = RANKS.find(([pattern]) => pattern.test(docname));
    return score * (found ? found[1] : 1);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// Where few pages have all the words, those that have most of them follow; a word counts the more the fewer pages have it.
const withAll = Search.performTermsSearch;
Search.performTermsSearch = (words, excluded) => {
  const found = withAll(words, excluded);
  if (found.length > 2 || words.size < 2) return found;
  const pages = new Map(found.map((hit) => [hit[0], hit.with(4, 100 * hit[4])]));
  const whole = new Set(pages.keys());
  for (const word of words) {
    const hits = withAll(new Set([word]), excluded);
    const weight = Math.log(1 + Search._index.docnames.length / (hits.length || 1));
    for (const hit of hits) {
      if (whole.has(hit[0])) continue;
      pages.set(hit[0], hit.with(4, (pages.get(hit[0])?.[4] ?? 0) + weight * hit[4]));
    }
  }
  return [...pages.values()];
};
