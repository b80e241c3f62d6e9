using System;
using System.Collections.Generic;
using System.Net.Http;
using System.Text;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

/// <summary>The control channel, from the driver's side.</summary>
internal sealed class Channel(string url)
{
    private readonly HttpClient http = new();
    private JArray waiting = [];
    private Task sending = Task.CompletedTask;

    /// <summary>Done when all is sent.</summary>
    public Task Sent
    {
        get { lock (http) return sending; }
    }

    /// <summary>Reports go out one POST at a time, so that they arrive in order; what piles up meanwhile goes together.</summary>
    public void Tell(JObject report)
    {
        lock (http)
        {
            waiting.Add(report);
            if (waiting.Count == 1) sending = SendAsync(sending);
        }
    }

    /// <summary>Commands as they come.</summary>
    public async IAsyncEnumerable<JObject> CommandsAsync()
    {
        while (true)
        {
            using var response = await http.GetAsync(url);
            if ((int)response.StatusCode == 200) yield return Read(await response.Content.ReadAsStringAsync());
        }
    }

    private async Task SendAsync(Task before)
    {
        await before;
        JArray reports;
        lock (http) (reports, waiting) = (waiting, []);
        using var body = new StringContent(reports.ToString(Newtonsoft.Json.Formatting.None), Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(url, body);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>A text that looks like a date stays one.</summary>
    private static JObject Read(string text)
    {
        using var reader = new Newtonsoft.Json.JsonTextReader(new System.IO.StringReader(text))
        {
            DateParseHandling = Newtonsoft.Json.DateParseHandling.None,
            MaxDepth = 1_000,
        };
        return JObject.Load(reader);
    }
}
