/**
 * Finds every error text in the published sources: what errors are made with, and what is logged,
 * reported or told.
 *
 * It follows a text through constants, conditions, functions that return texts, and parameters. A
 * value inside of a text becomes `...`.
 */

import type ts from "npm:typescript@6.0.3";

/** A text, and the first place it comes from. */
export type ErrorTexts = Map<string, string>;

/** What stands for a value that differs. */
const VALUE = "...";

/** Functions that say their argument with this number to a person. */
const SAYING: Readonly<Record<string, number>> = {
  log: 1,
  "#log": 1,
  complain: 0,
  reportFailure: 1,
  reportProxyError: 0,
};

/** Writers that say by their second argument, a function, how much nobody has read. */
const DROPPING: readonly string[] = ["LineWriter", "FirstLinesAtOnce"];

/** Errors inside of ours that nobody sees: what the checker expected, and signals between functions. */
const UNSEEN: readonly string[] = ["Failed", "Skipped", "Truncated", "Violation"];

/** Functions that return their first argument, made fit to be shown. */
const PASSING: readonly string[] = [
  "String",
  "foldLines",
  "harmless",
  "harmlessLines",
  "legible",
  "printable",
  "scrubAddresses",
];

/** No more texts than this are made of one template; beyond it, its parts are texts of their own. */
const MOST_MADE = 40;

/** One form of a text, with its values and ends of lines made equal. */
export function normal(text: string): string {
  return text.replace(/\s+/g, " ").replace(/(?:\.{3}){2,}/g, VALUE).trim();
}

/** Whether there is a text to look up at all. What begins with a colon is made of nothing before it. */
function isText(text: string): boolean {
  return /\p{L}{2}/u.test(text.replaceAll(VALUE, "")) && !text.startsWith(":");
}

/** Finds the texts of one program. */
export class ErrorTextFinder {
  readonly #ts: typeof ts;
  readonly #checker: ts.TypeChecker;
  readonly #files: readonly ts.SourceFile[];
  readonly #root: string;
  readonly #texts: ErrorTexts = new Map();
  /** Each call and construction by the function or class that it names. */
  readonly #calls = new Map<ts.Symbol, (ts.CallExpression | ts.NewExpression)[]>();
  readonly #evaluated = new Map<ts.Node, string[]>();

  /**
   * @param compiler The package `typescript`.
   * @param files The published files.
   * @param root The directory that places are told from.
   */
  constructor(compiler: typeof ts, files: readonly string[], root: string) {
    this.#ts = compiler;
    this.#root = root;
    const program = compiler.createProgram([...files], {
      noLib: true,
      noEmit: true,
      types: [],
      allowImportingTsExtensions: true,
      module: compiler.ModuleKind.ESNext,
      moduleResolution: compiler.ModuleResolutionKind.Bundler,
      target: compiler.ScriptTarget.ESNext,
    });
    this.#checker = program.getTypeChecker();
    this.#files = files.map((file) => program.getSourceFile(file)!);
  }

  find(): ErrorTexts {
    for (const file of this.#files) this.#walk(file, (node) => this.#rememberCall(node));
    for (const file of this.#files) this.#walk(file, (node) => this.#visit(node));
    return this.#texts;
  }

  #walk(node: ts.Node, visit: (node: ts.Node) => void): void {
    visit(node);
    this.#ts.forEachChild(node, (child) => this.#walk(child, visit));
  }

  /** What a name stands for, in whatever file it is declared. */
  #symbolOf(node: ts.Node): ts.Symbol | undefined {
    const symbol = this.#checker.getSymbolAtLocation(node);
    return symbol && symbol.flags & this.#ts.SymbolFlags.Alias
      ? this.#checker.getAliasedSymbol(symbol)
      : symbol;
  }

  /** The name of what is called: the last part of `a.b.c`. */
  #calledName({ expression }: ts.CallExpression | ts.NewExpression): ts.Node {
    return this.#ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  }

  #rememberCall(node: ts.Node): void {
    if (!this.#ts.isCallExpression(node) && !this.#ts.isNewExpression(node)) return;
    const symbol = this.#symbolOf(this.#calledName(node));
    if (symbol === undefined) return;
    const calls = this.#calls.get(symbol) ?? [];
    calls.push(node);
    this.#calls.set(symbol, calls);
  }

  #visit(node: ts.Node): void {
    if (this.#ts.isNewExpression(node)) {
      const name = this.#calledName(node).getText();
      if (DROPPING.includes(name)) this.#take(node.arguments?.[1]);
      if (!UNSEEN.includes(name) && this.#makesError(node)) this.#take(node.arguments?.[0]);
    } else if (this.#ts.isCallExpression(node)) {
      const index = this.#sayingIndex(node);
      if (index !== undefined) this.#take(node.arguments[index]);
    }
  }

  /** Whether the first argument of `new X(...)` is the message of an error, or becomes one. */
  #makesError(node: ts.NewExpression): boolean {
    if (/^Deno\.errors\./.test(node.expression.getText())) return true;
    const name = this.#calledName(node).getText();
    // A variable that holds a class of errors has this name everywhere.
    if (name === "DOMException" || name === "Class") return true;
    // A class with a constructor of its own says what it makes of its arguments by super().
    const declaration = this.#symbolOf(this.#calledName(node))?.valueDeclaration;
    if (declaration !== undefined && this.#ts.isClassDeclaration(declaration)) {
      return this.#isErrorClass(declaration) && this.#constructorOf(declaration) === undefined;
    }
    return /Error$/.test(name);
  }

  #constructorOf(node: ts.ClassDeclaration): ts.ConstructorDeclaration | undefined {
    return node.members.find((member) => this.#ts.isConstructorDeclaration(member));
  }

  #isErrorClass(node: ts.ClassDeclaration): boolean {
    const base = node.heritageClauses?.[0]?.types[0]?.expression;
    if (base === undefined) return false;
    if (/Error$/.test(base.getText())) return true;
    const declaration = this.#symbolOf(base)?.valueDeclaration;
    return declaration !== undefined && this.#ts.isClassDeclaration(declaration) &&
      this.#isErrorClass(declaration);
  }

  /** Which argument of a call is said to a person. */
  #sayingIndex(node: ts.CallExpression): number | undefined {
    if (node.expression.kind === this.#ts.SyntaxKind.SuperKeyword) {
      let owner: ts.Node = node;
      while (!this.#ts.isClassDeclaration(owner)) {
        if (owner.parent === undefined) return undefined;
        owner = owner.parent;
      }
      const unseen = UNSEEN.includes(owner.name?.text ?? "");
      return !unseen && this.#isErrorClass(owner) ? 0 : undefined;
    }
    const { expression } = node;
    const called = expression.getText();
    if (called === "console.error" || called === "console.warn") return 0;
    if (called === "answer") return node.arguments[0]?.getText() === "Deno.stderr" ? 1 : undefined;
    const name = this.#calledName(node).getText();
    return Object.hasOwn(SAYING, name) ? SAYING[name] : undefined;
  }

  /** Takes what a text can be. */
  #take(expression: ts.Expression | undefined): void {
    if (expression === undefined) return;
    for (const text of this.#evaluate(expression)) this.#add(text, expression);
  }

  #add(raw: string, node: ts.Node): void {
    const text = normal(raw);
    if (!isText(text) || this.#texts.has(text)) return;
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    this.#texts.set(text, `${file.fileName.slice(this.#root.length)}:${line + 1}`);
  }

  /** The texts that an expression can be. */
  #evaluate(node: ts.Expression): string[] {
    const known = this.#evaluated.get(node);
    if (known !== undefined) return known;
    this.#evaluated.set(node, [VALUE]); // For what goes in a circle.
    const texts = [...new Set(this.#textsOf(node))];
    if (texts.length === 0) return [VALUE];
    this.#evaluated.set(node, texts);
    return texts;
  }

  #textsOf(node: ts.Expression): string[] {
    const t = this.#ts;
    if (t.isStringLiteralLike(node)) return [node.text];
    if (t.isTemplateExpression(node)) return this.#ofTemplate(node);
    if (
      t.isParenthesizedExpression(node) || t.isAsExpression(node) || t.isAwaitExpression(node) ||
      t.isNonNullExpression(node) || t.isSatisfiesExpression(node)
    ) return this.#evaluate(node.expression);
    if (t.isConditionalExpression(node)) {
      return [...this.#evaluate(node.whenTrue), ...this.#evaluate(node.whenFalse)];
    }
    if (t.isBinaryExpression(node)) return this.#ofBinary(node);
    if (t.isElementAccessExpression(node)) {
      return this.#valuesOf(node.expression).flatMap((value) => this.#evaluate(value));
    }
    if (t.isCallExpression(node)) return this.#ofCall(node);
    if (t.isArrowFunction(node) && !t.isBlock(node.body)) return this.#evaluate(node.body);
    if (t.isIdentifier(node) || t.isPropertyAccessExpression(node)) return this.#ofName(node);
    return [VALUE];
  }

  #ofBinary(node: ts.BinaryExpression): string[] {
    const { SyntaxKind } = this.#ts;
    switch (node.operatorToken.kind) {
      case SyntaxKind.PlusToken:
        return this.#joined([node.left, node.right]);
      case SyntaxKind.QuestionQuestionToken:
      case SyntaxKind.BarBarToken:
        return [...this.#evaluate(node.left), ...this.#evaluate(node.right)];
      default:
        return [VALUE];
    }
  }

  #ofTemplate({ head, templateSpans }: ts.TemplateExpression): string[] {
    return this.#joined([
      head.text,
      ...templateSpans.flatMap((span) => [
        span.expression,
        span.literal.text,
      ]),
    ]);
  }

  /** Parts one behind the other. */
  #joined(parts: readonly (string | ts.Expression)[]): string[] {
    let texts = [""];
    for (const part of parts) {
      const put = typeof part === "string" ? [part] : this.#putIn(part, MOST_MADE / texts.length);
      texts = texts.flatMap((text) => put.map((more) => text + more));
    }
    return texts;
  }

  /** What a part of a text can be; where it is no words, or too many texts, a value. */
  #putIn(part: ts.Expression, most: number): string[] {
    const texts = this.#evaluate(part);
    if (this.#ts.isStringLiteralLike(part)) return texts;
    const worded = texts.filter((text) => /\p{L}{2,}.* .*\p{L}{2}/u.test(text));
    if (worded.length === 0) return [VALUE];
    if (texts.length <= most) return texts;
    for (const text of worded) this.#add(text, part);
    return [texts.includes("") ? "" : VALUE];
  }

  /** What a variable holds from the beginning. */
  #initial(node: ts.Expression): ts.Expression | undefined {
    const declaration = this.#symbolOf(node)?.valueDeclaration;
    return declaration && this.#ts.isVariableDeclaration(declaration)
      ? declaration.initializer
      : undefined;
  }

  /** The values of a table: an object that is a constant. */
  #valuesOf(node: ts.Expression): ts.Expression[] {
    const table = this.#initial(node);
    if (table === undefined || !this.#ts.isObjectLiteralExpression(table)) return [];
    return table.properties.flatMap((property) =>
      this.#ts.isPropertyAssignment(property) ? [property.initializer] : []
    );
  }

  #ofCall(node: ts.CallExpression): string[] {
    const [first] = node.arguments;
    if (first !== undefined && PASSING.includes(this.#calledName(node).getText())) {
      return this.#evaluate(first);
    }
    const declaration = this.#symbolOf(this.#calledName(node))?.valueDeclaration;
    const body = declaration && this.#bodyOf(declaration);
    if (body === undefined) return [VALUE];
    if (!this.#ts.isBlock(body)) return this.#evaluate(body);
    const texts: string[] = [];
    const visit = (inner: ts.Node) => {
      if (this.#ts.isFunctionLike(inner)) return;
      if (this.#ts.isReturnStatement(inner) && inner.expression !== undefined) {
        texts.push(...this.#evaluate(inner.expression));
      }
      this.#ts.forEachChild(inner, visit);
    };
    this.#ts.forEachChild(body, visit);
    return texts;
  }

  /** What a function does, where it is one of ours. */
  #bodyOf(declaration: ts.Declaration): ts.Block | ts.Expression | undefined {
    const t = this.#ts;
    if (t.isFunctionDeclaration(declaration) || t.isMethodDeclaration(declaration)) {
      return declaration.body;
    }
    const value = t.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
    return value && t.isArrowFunction(value) ? value.body : undefined;
  }

  #ofName(node: ts.Identifier | ts.PropertyAccessExpression): string[] {
    const t = this.#ts;
    const symbol = this.#symbolOf(t.isPropertyAccessExpression(node) ? node.name : node);
    const declaration = symbol?.valueDeclaration;
    if (declaration === undefined) return [VALUE];
    if (t.isParameter(declaration)) return this.#ofParameter(declaration);
    if (t.isBindingElement(declaration)) return this.#ofElement(declaration);
    // What an error of ours says was found where it is made.
    if (t.isClassDeclaration(declaration.parent) && this.#isErrorClass(declaration.parent)) {
      return [VALUE];
    }
    if (t.isVariableDeclaration(declaration) || t.isPropertyDeclaration(declaration)) {
      const { initializer } = declaration;
      const assigned = this.#assignedTo(declaration, symbol!);
      return [...initializer === undefined ? [] : [initializer], ...assigned]
        .flatMap((value) => this.#evaluate(value));
    }
    if (t.isPropertyAssignment(declaration)) return this.#evaluate(declaration.initializer);
    return [VALUE];
  }

  /** What is taken out of a row by its place: `const [failure, why] = ...`. */
  #ofElement(element: ts.BindingElement): string[] {
    const t = this.#ts;
    const { parent } = element;
    if (!t.isArrayBindingPattern(parent) || !t.isVariableDeclaration(parent.parent)) return [VALUE];
    const { initializer } = parent.parent;
    if (initializer === undefined) return [VALUE];
    const index = parent.elements.indexOf(element);
    return this.#rowsOf(initializer).flatMap(({ elements }) => {
      const value = elements[index];
      return value === undefined ? [] : this.#evaluate(value);
    });
  }

  /** The rows that an expression can be, or the ones that it looks for in a table. */
  #rowsOf(node: ts.Expression): ts.ArrayLiteralExpression[] {
    const t = this.#ts;
    if (t.isArrayLiteralExpression(node)) return [node];
    if (t.isParenthesizedExpression(node) || t.isAsExpression(node)) {
      return this.#rowsOf(node.expression);
    }
    if (t.isConditionalExpression(node)) {
      return [...this.#rowsOf(node.whenTrue), ...this.#rowsOf(node.whenFalse)];
    }
    if (t.isBinaryExpression(node)) {
      return [...this.#rowsOf(node.left), ...this.#rowsOf(node.right)];
    }
    if (t.isIdentifier(node)) {
      const value = this.#initial(node);
      return value === undefined ? [] : this.#rowsOf(value);
    }
    if (t.isElementAccessExpression(node)) {
      return this.#valuesOf(node.expression).flatMap((value) => this.#rowsOf(value));
    }
    if (!t.isCallExpression(node) || !t.isPropertyAccessExpression(node.expression)) return [];
    const [table] = this.#rowsOf(node.expression.expression);
    return table?.elements.flatMap((row) => this.#rowsOf(row)) ?? [];
  }

  /** What is put into a variable or a field later. */
  #assignedTo(
    declaration: ts.VariableDeclaration | ts.PropertyDeclaration,
    symbol: ts.Symbol,
  ): ts.Expression[] {
    const t = this.#ts;
    if (t.getCombinedNodeFlags(declaration) & t.NodeFlags.Const) return [];
    const values: ts.Expression[] = [];
    this.#walk(declaration.getSourceFile(), (node) => {
      if (!t.isBinaryExpression(node)) return;
      const { left, operatorToken, right } = node;
      if (operatorToken.kind !== t.SyntaxKind.EqualsToken) return;
      const name = t.isPropertyAccessExpression(left) ? left.name : left;
      if (this.#symbolOf(name) === symbol) values.push(right);
    });
    return values;
  }

  /** What a parameter is called with. */
  #ofParameter(parameter: ts.ParameterDeclaration): string[] {
    const owner = parameter.parent;
    const index = owner.parameters.indexOf(parameter);
    const calls = this.#callsOf(owner);
    const given = calls.flatMap((call) => call.arguments?.[index] ?? []);
    const initializer = parameter.initializer;
    return [...given, ...initializer === undefined ? [] : [initializer]]
      .flatMap((value) => this.#evaluate(value));
  }

  /** The calls of a function, or of the class whose constructor it is. */
  #callsOf(owner: ts.SignatureDeclaration): (ts.CallExpression | ts.NewExpression)[] {
    const t = this.#ts;
    const { parent } = owner;
    const named = t.isConstructorDeclaration(owner)
      ? (owner.parent as ts.ClassDeclaration).name
      : owner.name ?? (parent && t.isVariableDeclaration(parent) ? parent.name : undefined);
    if (named !== undefined) {
      const symbol = this.#symbolOf(named);
      return symbol && this.#calls.get(symbol) || [];
    }
    // A function that is handed to another one is called by the name that it has there.
    if (parent === undefined || !t.isCallExpression(parent)) return [];
    const taker = this.#symbolOf(this.#calledName(parent))?.valueDeclaration;
    if (taker === undefined || !t.isFunctionDeclaration(taker)) return [];
    const parameter = taker.parameters[parent.arguments.indexOf(owner as ts.ArrowFunction)];
    const symbol = parameter && this.#symbolOf(parameter.name);
    return symbol && this.#calls.get(symbol) || [];
  }
}
